"""Data room: the index of IDD Segmentation, the India Driving Dataset (AutoNUE).

In: the folder ``idd`` and a split. Out: samples named by drive and frame, ``119/005506``. The
release holds polygons; its own script (AutoNUE/public-code, preperation/createLabels.py) paints
label maps from them, here with ``--id-type csTrainId``: Cityscapes' train ids.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits
from segibn.data.wrong_folder import OtherSetError
from segibn.errors import DatasetError
from segibn.files import list_files

SOURCE = Source(
    title="IDD",
    layout="""
idd/leftImg8bit/{train,val,test}/<drive>/<frame>_leftImg8bit.png    (or .jpg)
idd/gtFine/{train,val}/<drive>/<frame>_gtFine_labelcsTrainIds.png   (painted by createLabels.py)
""",
    where="https://idd.insaan.iiit.ac.in (registration; its own terms): IDD Segmentation, unpacked "
    "into idd/; then createLabels.py --id-type csTrainId of "
    "https://github.com/AutoNUE/public-code",
    official_counts={"train": 6_993, "val": 981, "test": 2_029},
)
SPLITS = ("train", "val", "test")
UNLABELLED = ("test",)

_IMAGE = ("_leftImg8bit.png", "_leftImg8bit.jpg")
_TARGET = "_gtFine_labelcsTrainIds.png"


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, a folder of the layout is missing, the label maps have not
            been painted, or it is IDD-Lite.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    targets = None if split in UNLABELLED else Place(root / "gtFine" / split, _TARGET)
    pairing = pair_folders(
        SOURCE,
        Place(root / "leftImg8bit" / split, _IMAGE),
        targets,
        SOURCE.official_counts[split],
        keep_folders=True,
    )
    if not pairing.samples:
        _refuse_lite(root, root / "leftImg8bit" / split)
    if targets is not None and not pairing.samples:
        _require_painted(targets.folder)
    return pairing


def _refuse_lite(root: Path, folder: Path) -> None:
    """Raise if the frames are those of IDD-Lite, which has files and classes of its own."""
    frames = list_files(folder, (".jpg",), recursive=True)
    if frames and frames[0].name.lower().endswith("_image.jpg"):
        own = root.with_name("idd_lite")
        rename = "" if root == own else f"rename {root} to {own}, then "
        raise OtherSetError(
            f"{SOURCE.title}: {root} is IDD-Lite ({frames[0].name}), another set of 7 classes. It "
            f"is read as a `folder`, by a config that comes along: {rename}segibn check idd_lite "
            f"--datasets {own.parent}"
        )


def _require_painted(folder: Path) -> None:
    """Raise if a folder holds polygons, or label maps of another kind, but not the ones read."""
    there = [path.name for path in list_files(folder, (".json", ".png"), recursive=True)]
    if there and not any(name.lower().endswith(_TARGET.lower()) for name in there):
        raise DatasetError(
            f"{SOURCE.title}: {folder} has {there[0]} but no *{_TARGET}; paint them with the data "
            "set's own script, https://github.com/AutoNUE/public-code: python "
            "preperation/createLabels.py --datadir idd --id-type csTrainId"
        )
