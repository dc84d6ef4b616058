"""Data room: the index of GTA5 (Playing for Data, Richter et al., ECCV 2016).

In: the folder ``gta5`` and a split. Out: samples named by their five digits, ``00001``. The frames
lie in one flat folder, or in folders below it; which split a frame belongs to is said by
``split.mat`` in the data set's folder, else by the list shipped with this package.
"""

from pathlib import Path

from segibn.data.datasets.shipped_lists import read_ranges
from segibn.data.samples import Pairing, Source, join_splits, pair_by_name
from segibn.errors import DatasetError
from segibn.extras import require
from segibn.files import list_files
from segibn.text import listed

SOURCE = Source(
    title="GTA5",
    layout="""
gta5/images/00001.png ... 24966.png     (one more folder level in between is allowed)
gta5/labels/00001.png ... 24966.png     (palette PNG, index = Cityscapes labelId)
gta5/split.mat                          (optional: the authors' splits)
""",
    where="https://download.visinf.tu-darmstadt.de/data/from_games/ (research use): ten "
    "*_images.zip and ten *_labels.zip, unpacked into gta5/",
    official_counts={
        "train": 12403, "train-clean": 12388, "val": 6382, "test": 6181, "all": 24966,
    },
)  # fmt: skip
SPLITS = ("train", "train-clean", "val", "test", "all")
"""``train`` is the official split; ``train-clean`` leaves out the fifteen frames that the public
text lists leave out too (`left_out_ids`); ``all`` is every frame in the folder."""

_MAT_KEYS = {"train": "trainIds", "val": "valIds", "test": "testIds"}


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, folder missing, or a frame twice in the folder.
    """
    root = Path(root)
    SOURCE.require(root / "images", root / "labels")
    images, targets = _frames(root / "images"), _frames(root / "labels")
    return join_splits(split, lambda part: _find_one(root, part, images, targets))


def split_ids(split: str, root: Path | None = None) -> frozenset[int]:
    """Return the frame numbers of a split.

    Args:
        split: one of `SPLITS`.
        root: the data set's folder, whose ``split.mat`` counts if there is one.

    Raises:
        DatasetError: unknown split, or a ``split.mat`` that is not the authors' file.
    """
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    if split == "all":
        return frozenset(range(1, SOURCE.official_counts["all"] + 1))
    mat = None if root is None else Path(root) / "split.mat"
    if mat is not None and mat.is_file():
        ids = _read_mat(mat, "train" if split == "train-clean" else split)
    else:
        ids = read_ranges("gta5_splits.txt")["train" if split == "train-clean" else split]
    return ids - left_out_ids() if split == "train-clean" else ids


def left_out_ids() -> frozenset[int]:
    """Return the fifteen train frames that RobustNet's lists leave out, likely for bad labels."""
    return read_ranges("gta5_splits.txt")["left-out"]


def _find_one(root: Path, split: str, images: dict[str, Path], targets: dict[str, Path]) -> Pairing:
    ids = split_ids(split, root)
    return pair_by_name(
        {name: path for name, path in images.items() if int(name) in ids},
        {name: path for name, path in targets.items() if int(name) in ids},
        target_of=lambda name: str(root / "labels" / f"{name}.png"),
        image_of=lambda name: str(root / "images" / f"{name}.png"),
        official_count=len(ids),
    )


def _frames(folder: Path) -> dict[str, Path]:
    """Frames below a folder at any depth, by their five digits."""
    found: dict[str, Path] = {}
    for path in list_files(folder, (".png", ".jpg"), recursive=True):
        if not path.stem.isdecimal():
            continue
        name = f"{int(path.stem):05d}"
        if name in found:
            raise DatasetError(f"GTA5 frame {name} is there twice: {found[name]} and {path}")
        found[name] = path
    return found


def _read_mat(path: Path, split: str) -> frozenset[int]:
    """Read one id vector of the authors' split.mat."""
    require(
        "gta5",
        "scipy",
        purpose=f"reading {path}",
        instead="remove the file: the shipped list has the same splits",
        error=DatasetError,
    )
    from scipy.io import loadmat  # slow to import, needed only where the file exists

    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises many types for a file that is no MAT file
        raise DatasetError(f"{path}: not a readable MAT file ({error})") from error
    key = _MAT_KEYS[split]
    if key not in content:
        have = listed([name for name in content if not name.startswith("__")])
        raise DatasetError(f"{path}: has no '{key}' (it holds {have}); use the authors' split.mat")
    return frozenset(int(value) for value in content[key].ravel())
