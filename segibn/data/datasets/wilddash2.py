"""WildDash 2 (Zendel et al., CVPR 2022): its public frames, 81 values, read in the 19 classes.

The release holds panoptic maps; the authors' pano2sem.py makes label maps of them. Values and their
map to Cityscapes: ``wd2_unified_label_policy.json``, both of ozendelait/wilddash_scripts. What
becomes a class that Cityscapes' evaluation leaves out (static, parking, bridges ...) is ignored.
"""

from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing
from segibn.errors import DatasetError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet
from segibn.labels.schemes import on_nineteen, on_schemes

# fmt: off
_ROWS = (
    # name, in the order of the values; colour (RGB); class of the 19, or none
    ("unlabeled",        (255, 255, 255), None),
    ("egovehicle",       (  0,  20,  50), None),
    ("overlay",          ( 20,  20,  20), None),
    ("outofroi",         (  3,   3,   3), None),
    ("static",           (  4,   4,   4), None),
    ("dynamic",          (111,  74,   0), None),
    ("ground",           ( 81,   0,  81), None),
    ("road",             (128,  64, 128), "road"),
    ("sidewalk",         (244,  35, 232), "sidewalk"),
    ("parking",          (250, 170, 160), None),
    ("railtrack",        (230, 150, 140), None),
    ("building",         ( 70,  70,  70), "building"),
    ("wall",             (102, 102, 156), "wall"),
    ("fence",            (190, 153, 153), "fence"),
    ("guardrail",        (180, 165, 180), None),
    ("bridge",           (150, 100, 100), None),
    ("tunnel",           (150, 120,  90), None),
    ("pole",             (152, 152, 152), "pole"),
    ("polegroup",        (153, 152, 153), None),
    ("trafficlight",     (250, 170,  30), "traffic light"),
    ("trafficsign",      (220, 220,   0), "traffic sign"),
    ("vegetation",       (107, 142,  35), "vegetation"),
    ("terrain",          (152, 251, 152), "terrain"),
    ("sky",              ( 70, 130, 180), "sky"),
    ("person",           (220,  20,  60), "person"),
    ("rider",            (255,   0,   0), "rider"),
    ("car",              (  0,   0, 142), "car"),
    ("truck",            (  0,   0,  70), "truck"),
    ("bus",              (  0,  60, 100), "bus"),
    ("caravan",          (  0,   0,  90), None),
    ("trailer",          (  0,   0, 110), None),
    ("onrails",          (  0,  80, 100), "train"),
    ("motorcycle",       (  0,   0, 230), "motorcycle"),
    ("bicycle",          (119,  11,  32), "bicycle"),
    ("pickup",           ( 40,   0, 100), "truck"),
    ("van",              (  0,  40, 120), "car"),
    ("billboard",        (174,  64,  67), None),
    ("streetlight",      (210, 170, 100), None),
    ("roadmarking",      (196, 176, 128), "road"),
    ("junctionbox",      ( 40,  40,  40), None),
    ("mailbox",          ( 50,  50,  50), None),
    ("manhole",          (190, 178, 209), "road"),
    ("phonebooth",       ( 60,  60,  60), None),
    ("pothole",          (215, 190, 215), "road"),
    ("bikerack",         ( 15,  45,  80), None),
    ("trafficsignframe", (128, 128, 128), "pole"),
    ("utilitypole",      (  0,   0,  80), "pole"),
    ("motorcyclist",     (255,   0, 100), "rider"),
    ("bicyclist",        (255,   0,  10), "rider"),
    ("otherrider",       (255,   0,   0), "rider"),
    ("bird",             (165,  42,  42), None),
    ("groundanimal",     (  0, 192,   0), None),
    ("curb",             (196, 196, 196), "sidewalk"),
    ("trafficsignany",   (220, 220,  15), None),
    ("trafficsignback",  (192, 192, 192), None),
    ("trashcan",         (140, 140,  20), None),
    ("otherbarrier",     ( 90, 120, 150), "wall"),
    ("othervehicle",     (128,  64,  64), None),
    ("autorickshaw",     (  0,   0, 137), "motorcycle"),
    ("bench",            (250,   0,  30), None),
    ("mountain",         ( 64, 170,  64), None),
    ("tramtrack",        (192,   0, 128), "road"),
    ("wheeledslow",      (  0,   0, 192), None),
    ("boat",             (150,   0, 255), None),
    ("bikelane",         (128,  64, 255), "road"),
    ("bikelanesidewalk", (182, 170, 217), "sidewalk"),
    ("banner",           (255, 255, 128), None),
    ("dashcammount",     ( 20,  20,  32), None),
    ("water",            (  0, 170,  30), None),
    ("sand",             (230, 160,  50), None),
    ("pedestrianarea",   ( 96,  96,  96), "road"),
    ("firehydrant",      (100, 170,  30), None),
    ("cctvcamera",       (222,  40,  40), None),
    ("snow",             (190, 255, 255), None),
    ("catchbasin",       (220, 128, 128), "road"),
    ("crosswalkplain",   (140, 140, 200), "road"),
    ("crosswalkzebra",   (200, 128, 128), "road"),
    ("manholesidewalk",  (196, 104, 204), "sidewalk"),
    ("curbterrain",      (150, 220, 150), "terrain"),
    ("servicelane",      (110, 100, 100), "road"),
    ("curbcut",          (170, 170, 170), "sidewalk"),
)
# fmt: on

# Every value with its own name; 80 classes, of which no scheme is made. Value 0 is unlabelled.
_RAW = LabelSet(
    "wilddash2",
    tuple(
        Label(name, value, value - 1 if value else IGNORE_INDEX, color) for value, (name, color, _) in enumerate(_ROWS)
    ),
)
_GROUPS = {info.name: tuple(name for name, _, of in _ROWS if of == info.name) for info in CITYSCAPES.classes}


def _find_one(root: Path, split: str) -> Pairing:
    if (root / "panoptic.json").is_file() and not (root / "labels").is_dir():
        raise DatasetError(
            f"{SOURCE.title}: {root} has panoptic.json, but no labels/; make them with the "
            "authors' script, https://github.com/ozendelait/wilddash_scripts: python pano2sem.py "
            f"--silent --json_path {root / 'panoptic.json'} --outp_dir_sem {root / 'labels'}"
        )
    return SOURCE.pair(root, split)


SOURCE = DatasetSource(
    name="wilddash2",
    title="WildDash 2",
    layout="""
wilddash2/images/<frame>.jpg
wilddash2/labels/<frame>_labelIds.png       (made by pano2sem.py from panoptic.json and panoptic/)
""",
    where="https://wilddash.cc (registration; its own licence): the public ground truth, unpacked "
    "into wilddash2/; then pano2sem.py of https://github.com/ozendelait/wilddash_scripts",
    splits={"all": None},
    images=Place("images", ".jpg"),
    targets=Place("labels", "_labelIds.png"),
    find_one=_find_one,
    tables=on_schemes(on_nineteen("wilddash2_on_cityscapes19", _RAW, _GROUPS)),
    raw=_RAW,
)
