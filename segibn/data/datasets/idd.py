"""IDD Segmentation, the India Driving Dataset (AutoNUE); samples named by drive: ``119/005506``.

The release holds polygons; its own script (AutoNUE/public-code, preperation/createLabels.py) makes
label maps of them, here with ``--id-type csTrainId``: Cityscapes' train ids.
"""

from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing
from segibn.data.wrong_folder import OtherSetError
from segibn.errors import DatasetError
from segibn.files.folders import list_files
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.schemes import on_schemes, train_id_table

_TARGET = "_gtFine_labelcsTrainIds.png"


def _find_one(root: Path, split: str) -> Pairing:
    """Pair the files; raise if these are IDD-Lite, or the labels are polygons or maps of another kind."""
    pairing = SOURCE.pair(root, split)
    if pairing.samples:
        return pairing
    frames = list_files(root / "leftImg8bit" / split, (".jpg",), recursive=True)
    if frames and frames[0].name.lower().endswith("_image.jpg"):
        own = root.with_name("idd_lite")
        rename = "" if root == own else f"rename {root} to {own}, then "
        raise OtherSetError(
            f"{SOURCE.title}: {root} is IDD-Lite ({frames[0].name}), another set of 7 classes: "
            f"{rename}segibn check idd_lite --datasets {own.parent}"
        )
    if split in SOURCE.unlabelled:
        return pairing
    folder = root / "gtFine" / split
    there = [path.name for path in list_files(folder, (".json", ".png"), recursive=True)]
    if there and not any(name.lower().endswith(_TARGET.lower()) for name in there):
        raise DatasetError(
            f"{SOURCE.title}: {folder} has {there[0]} but no *{_TARGET}; make them with the data "
            "set's own script, https://github.com/AutoNUE/public-code: python "
            "preperation/createLabels.py --datadir idd --id-type csTrainId"
        )
    return pairing


SOURCE = DatasetSource(
    name="idd",
    title="IDD",
    layout="""
idd/leftImg8bit/{train,val,test}/<drive>/<frame>_leftImg8bit.png    (or .jpg)
idd/gtFine/{train,val}/<drive>/<frame>_gtFine_labelcsTrainIds.png   (made by createLabels.py)
""",
    where="https://idd.insaan.iiit.ac.in (registration; its own terms): IDD Segmentation, unpacked "
    "into idd/; then createLabels.py --id-type csTrainId of "
    "https://github.com/AutoNUE/public-code",
    splits={"train": 6_993, "val": 981, "test": 2_029},
    unlabelled=("test",),
    images=Place("leftImg8bit/{split}", ("_leftImg8bit.png", "_leftImg8bit.jpg"), keep_folders=True),
    targets=Place("gtFine/{split}", _TARGET, keep_folders=True),
    find_one=_find_one,
    tables=on_schemes(train_id_table("idd")),
    scored_as=CITYSCAPES,
)
