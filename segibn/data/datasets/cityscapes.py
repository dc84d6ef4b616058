"""Data room: the index of Cityscapes in its official layout (labelIds, mapped on the fly).

In: the folder ``cityscapes`` and a split. Out: samples named ``aachen_000000_000019``.
"""

from pathlib import Path

from segibn.data.samples import Pairing, Source, join_splits, names_in, pair_by_name

SOURCE = Source(
    title="Cityscapes",
    layout="""
cityscapes/leftImg8bit/{train,val,test}/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
cityscapes/gtFine/{train,val}/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png
""",
    where="https://www.cityscapes-dataset.com (registration; research licence): "
    "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpacked into cityscapes/",
    official_counts={"train": 2975, "val": 500, "test": 1525},
)
SPLITS = ("train", "val", "test")
UNLABELLED = ("test",)
"""Splits whose published label maps are empty dummies: their samples have no target."""

_IMAGE = "_leftImg8bit.png"
_TARGET = "_gtFine_labelIds.png"


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    image_folder, target_folder = root / "leftImg8bit" / split, root / "gtFine" / split
    labelled = split not in UNLABELLED
    SOURCE.require(*((image_folder, target_folder) if labelled else (image_folder,)))
    return pair_by_name(
        names_in(image_folder, _IMAGE, recursive=True),
        names_in(target_folder, _TARGET, recursive=True) if labelled else None,
        target_of=lambda name: str(target_folder / name.split("_")[0] / f"{name}{_TARGET}"),
        image_of=lambda name: str(image_folder / name.split("_")[0] / f"{name}{_IMAGE}"),
        official_count=SOURCE.official_counts[split],
    )
