"""GTA5 (Playing for Data, Richter et al., ECCV 2016): samples named by five digits, ``00001``.

Which split a frame belongs to is said by ``split.mat`` in the data set's folder, else by the list
shipped with this package. ``train-clean`` is ``train`` without the fifteen frames that RobustNet's
lists leave out, likely for bad labels; ``all`` is every frame in the folder.
"""

from dataclasses import replace
from pathlib import Path

from segibn.data.datasets.shipped_lists import read_ranges
from segibn.data.datasets.source import DatasetSource
from segibn.data.samples import Pairing, pair_by_name
from segibn.errors import DatasetError
from segibn.extras import require
from segibn.files.folders import list_files
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import LabelSet
from segibn.labels.schemes import on_schemes
from segibn.text import listed

# Cityscapes' table as palette indices, but license plates are drawn, with value 34.
_ROWS = [replace(row, label_id=34) if row.label_id < 0 else row for row in CITYSCAPES.labels]
GTA5 = LabelSet("gta5", tuple(_ROWS))

# RobustNet reads the files by colour, and so reads two values that the official table ignores:
# license plates have the colour of cars, groups of poles that of poles
# (github.com/shachoi/RobustNet, datasets/gtav.py).
_CAR, _POLE = (GTA5.class_names.index(name) for name in ("car", "pole"))
_READ_AS = {"license plate": _CAR, "polegroup": _POLE}
_ROBUSTNET = LabelSet(
    "gta5_robustnet", tuple(replace(row, train_id=_READ_AS.get(row.name, row.train_id)) for row in GTA5.labels)
)


def split_ids(split: str, root: Path | None = None) -> frozenset[int]:
    """Return the frame numbers of a split, by ``split.mat`` in ``root`` if there is one."""
    if split == "all":
        return frozenset(range(1, (SOURCE.splits["all"] or 0) + 1))
    whole = split.removesuffix("-clean")
    mat = None if root is None else Path(root) / "split.mat"
    shipped = read_ranges("gta5_splits.txt")
    ids = _read_mat(mat, whole) if mat is not None and mat.is_file() else shipped[whole]
    return ids if split == whole else ids - shipped["left-out"]


def _find_one(root: Path, split: str) -> Pairing:
    SOURCE.require(root / "images", root / "labels")
    ids = split_ids(split, root)
    images, targets = (
        {name: path for name, path in _frames(root / folder).items() if int(name) in ids}
        for folder in ("images", "labels")
    )
    return pair_by_name(
        images,
        targets,
        target_of=lambda name: str(root / "labels" / f"{name}.png"),
        image_of=lambda name: str(root / "images" / f"{name}.png"),
        official_count=len(ids),
    )


def _frames(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_files(folder, (".png", ".jpg"), recursive=True):
        if path.stem.isdecimal():
            name = f"{int(path.stem):05d}"
            if name in found:
                raise DatasetError(f"GTA5 frame {name} is there twice: {found[name]} and {path}")
            found[name] = path
    return found


def _read_mat(path: Path, split: str) -> frozenset[int]:
    instead = "remove the file: the shipped list has the same splits"
    require("gta5", "scipy", purpose=f"reading {path}", instead=instead, error=DatasetError)
    from scipy.io import loadmat  # slow to import, needed only where the file exists

    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises many types for a file that is no MAT file
        raise DatasetError(f"{path}: not a readable MAT file ({error})") from error
    key = f"{split}Ids"
    if key not in content:
        have = listed([name for name in content if not name.startswith("__")])
        raise DatasetError(f"{path}: has no '{key}' (it holds {have}); use the authors' split.mat")
    return frozenset(int(value) for value in content[key].ravel())


SOURCE = DatasetSource(
    name="gta5",
    title="GTA5",
    layout="""
gta5/images/00001.png ... 24966.png     (one more folder level in between is allowed)
gta5/labels/00001.png ... 24966.png     (palette PNG, index = Cityscapes labelId)
gta5/split.mat                          (optional: the authors' splits)
""",
    where="https://download.visinf.tu-darmstadt.de/data/from_games/ (research use): ten "
    "*_images.zip and ten *_labels.zip, unpacked into gta5/",
    splits={"train": 12403, "train-clean": 12388, "val": 6382, "test": 6181, "all": 24966},
    overlapping=("train-clean", "all"),
    find_one=_find_one,
    tables=on_schemes(GTA5),
    label_maps={"robustnet": on_schemes(_ROBUSTNET)},
    is_sampled=True,
)
