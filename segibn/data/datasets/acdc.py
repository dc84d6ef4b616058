"""ACDC, the Adverse Conditions Dataset (Sakaridis et al., ICCV 2021), ``GOPR0475_frame_000041``.

A split is all four conditions, ``val``, or one, ``val-night``; frames in good weather (``*_ref``)
are not indexed.
"""

from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing, join_splits
from segibn.errors import DatasetError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.schemes import on_schemes, train_id_table

_CONDITIONS = ("fog", "night", "rain", "snow")
_SPLITS = ("train", "val", "test")
_PARTS = tuple(f"{split}-{condition}" for split in _SPLITS for condition in _CONDITIONS)


def _find_one(root: Path, name: str) -> Pairing:
    split, _, condition = name.partition("-")
    if condition:
        images = Place(f"rgb_anon/{condition}/{split}", "_rgb_anon.png")
        return SOURCE.pair(root, name, images=images, targets=Place(f"gt/{condition}/{split}", "_gt_labelTrainIds.png"))
    there = [one for one in _CONDITIONS if (root / "rgb_anon" / one / split).is_dir()]
    if there and len(there) < len(_CONDITIONS):
        gone = next(one for one in _CONDITIONS if one not in there)
        raise DatasetError(
            f"{SOURCE.title}: no folder {root / 'rgb_anon' / gone / split}, but split '{split}' is "
            f"all four conditions; take '{split}-{there[0]}' for one of those that are there"
        )
    return join_splits("+".join(f"{split}-{one}" for one in _CONDITIONS), lambda part: _find_one(root, part))


SOURCE = DatasetSource(
    name="acdc",
    title="ACDC",
    layout="""
acdc/rgb_anon/{fog,night,rain,snow}/{train,val,test}/<recording>/<frame>_rgb_anon.png
acdc/gt/{fog,night,rain,snow}/{train,val}/<recording>/<frame>_gt_labelTrainIds.png
""",
    where="https://acdc.vision.ee.ethz.ch (registration; non-commercial use): "
    "rgb_anon_trainvaltest.zip and gt_trainval.zip, unpacked into acdc/",
    splits=dict.fromkeys((*_SPLITS, *_PARTS)),
    unlabelled=("test", *(part for part in _PARTS if part.startswith("test-"))),
    overlapping=_PARTS,
    find_one=_find_one,
    tables=on_schemes(train_id_table("acdc")),
    scored_as=CITYSCAPES,
)
