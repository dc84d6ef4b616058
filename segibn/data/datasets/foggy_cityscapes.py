"""Foggy Cityscapes (Sakaridis et al., IJCV 2018), ``val-0.02``: fog of a beta per metre."""

from pathlib import Path

from segibn.data.datasets import cityscapes
from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing, SplitAbsentError
from segibn.labels.cityscapes import CITYSCAPES

_SPLITS = {
    f"{split}-{beta}": count for split, count in cityscapes.SOURCE.splits.items() for beta in ("0.005", "0.01", "0.02")
}


def _find_one(root: Path, name: str) -> Pairing:
    split, _, beta = name.partition("-")
    images = Place(f"leftImg8bit_foggy/{split}", f"_leftImg8bit_foggy_beta_{beta}.png")
    pairing = SOURCE.pair(root, name, images=images, targets=Place(f"gtFine/{split}", "_gtFine_labelIds.png"))
    if not pairing.samples and not any(orphan.is_image for orphan in pairing.orphans):
        raise SplitAbsentError(f"{SOURCE.title}: no *{images.suffix} below {root / images.folder}\n{SOURCE.advice}")
    return pairing


SOURCE = DatasetSource(
    name="foggy_cityscapes",
    title="Foggy Cityscapes",
    layout="""
cityscapes/leftImg8bit_foggy/{train,val,test}/<city>/<frame>_leftImg8bit_foggy_beta_{0.005,0.01,0.02}.png
cityscapes/gtFine/{train,val}/<city>/<frame>_gtFine_labelIds.png        (those of Cityscapes)
""",
    where="https://www.cityscapes-dataset.com (registration; research licence): "
    "leftImg8bit_trainvaltest_foggy.zip and gtFine_trainvaltest.zip, unpacked into cityscapes/",
    subfolder="cityscapes",
    splits=_SPLITS,
    unlabelled=tuple(name for name in _SPLITS if name.startswith("test-")),
    find_one=_find_one,
    tables=cityscapes.SOURCE.tables,
    scored_as=CITYSCAPES,
)
