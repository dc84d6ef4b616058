"""Data room: the index of Foggy Cityscapes (Sakaridis et al., IJCV 2018): fog on Cityscapes frames.

In: the folder ``cityscapes`` and a split, which says how dense the fog is (``val-0.02``: the
attenuation coefficient beta per metre). Out: samples named as in Cityscapes, whose labels they
share.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, SplitAbsentError, join_splits

BETAS = ("0.005", "0.01", "0.02")

_FRAMES = {"train": 2975, "val": 500, "test": 1525}
_PARTS = {f"{split}-{beta}": (split, beta) for split in _FRAMES for beta in BETAS}

SOURCE = Source(
    title="Foggy Cityscapes",
    layout="""
cityscapes/leftImg8bit_foggy/{train,val,test}/<city>/<frame>_leftImg8bit_foggy_beta_{0.005,0.01,0.02}.png
cityscapes/gtFine/{train,val}/<city>/<frame>_gtFine_labelIds.png        (those of Cityscapes)
""",
    where="https://www.cityscapes-dataset.com (registration; research licence): "
    "leftImg8bit_trainvaltest_foggy.zip and gtFine_trainvaltest.zip, unpacked into cityscapes/",
    official_counts={name: _FRAMES[split] for name, (split, _) in _PARTS.items()},
)
SPLITS = tuple(_PARTS)
UNLABELLED = ("test",)


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the folder ``cityscapes``.

    Raises:
        DatasetError: unknown split, a folder of the layout is missing, or two densities of the
            same frames are joined.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, name: str) -> Pairing:
    if name not in _PARTS:
        raise SOURCE.unknown_split(name, SPLITS)
    split, beta = _PARTS[name]
    images = Place(root / "leftImg8bit_foggy" / split, f"_leftImg8bit_foggy_beta_{beta}.png")
    targets = Place(root / "gtFine" / split, "_gtFine_labelIds.png")
    pairing = pair_folders(
        SOURCE,
        images,
        None if split in UNLABELLED else targets,
        SOURCE.official_counts[name],
    )
    if not pairing.samples and not pairing.images_without_target:
        raise SplitAbsentError(
            f"{SOURCE.title}: no *{images.suffix} below {images.folder}\n{SOURCE.advice}"
        )
    return pairing
