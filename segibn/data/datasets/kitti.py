"""Data room: the index of KITTI's semantic segmentation benchmark (2015), in its official layout.

In: the folder ``kitti`` and a split. Out: samples named ``000000_10``. The label maps hold
Cityscapes' label ids.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits

SOURCE = Source(
    title="KITTI semantic segmentation",
    layout="""
kitti/{training,testing}/image_2/<number>_10.png
kitti/training/semantic/<number>_10.png
""",
    where="https://www.cvlibs.net/datasets/kitti/eval_semantics.php (registration; CC BY-NC-SA "
    "3.0): data_semantics.zip, unpacked into kitti/",
    official_counts={"training": 200, "testing": 200},
)
SPLITS = ("training", "testing")
UNLABELLED = ("testing",)


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    targets = Place(root / split / "semantic", ".png")
    return pair_folders(
        SOURCE,
        Place(root / split / "image_2", ".png"),
        None if split in UNLABELLED else targets,
        SOURCE.official_counts[split],
    )
