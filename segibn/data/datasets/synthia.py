"""Data room: the index of SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016).

In: the folder ``synthia`` and a split. Out: samples named by their seven digits, ``0000001``. The
label files are RGB PNGs of 16 bits: the class is in the first channel, the instance in the second.
There is no official split; ``train`` and ``val`` are those of RobustNet (Choi et al., CVPR 2021),
whose list comes with this package.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.datasets.shipped_lists import read_ranges
from segibn.data.samples import Pairing, Source, join_splits

SOURCE = Source(
    title="SYNTHIA-RAND-CITYSCAPES",
    layout="""
synthia/RGB/0000000.png ... 0009399.png
synthia/GT/LABELS/0000000.png ... 0009399.png    (16-bit RGB PNG, class in the first channel)
""",
    where="https://synthia-dataset.net/downloads/ (non-commercial use): the set "
    "SYNTHIA-RAND-CITYSCAPES, whose folder RAND_CITYSCAPES is renamed to synthia/, or put into it",
    official_counts={"train": 6_580, "val": 2_820, "all": 9_400},
)
SPLITS = ("train", "val", "all")
"""``train`` and ``val`` are RobustNet's random split, ``all`` is every frame in the folder."""

_UNPACKED = "RAND_CITYSCAPES"


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    root = Path(root)
    if (root / _UNPACKED).is_dir() and not (root / "RGB").is_dir():
        root /= _UNPACKED
    return join_splits(split, lambda part: _find_one(root, part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    pairing = pair_folders(
        SOURCE,
        Place(root / "RGB", ".png"),
        Place(root / "GT" / "LABELS", ".png"),
        SOURCE.official_counts[split],
    )
    return pairing.keep(lambda name: _belongs(name, split))


def _belongs(name: str, split: str) -> bool:
    if split == "all":
        return True
    held_out = name.isdecimal() and int(name) in read_ranges("synthia_val.txt")["val"]
    return held_out == (split == "val")
