"""Mapillary Vistas, in the folders of v1.2 or v2.0; samples named ``0035fkbjWljhaftpVM37-g``.

Read are always the label maps of v1.2 (66 values), which v2.0 has beside its own. Layout: the
README files of the releases v1.1 and v2.0; names, values and colours: ``config.json``.

Two public maps to the 19 classes, whose numbers cannot be compared: ``robustnet``, of RobustNet's
loader (Choi et al., CVPR 2021), ignores crosswalks, parking, bike and service lanes, street lights
and backs of signs; ``rein``, of OpenSeg's script, which Rein (Wei et al., CVPR 2024) uses, ignores
manholes only.
"""

from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing
from segibn.errors import DatasetError
from segibn.labels.label_set import IGNORE_INDEX as VOID
from segibn.labels.label_set import Label, LabelSet
from segibn.labels.schemes import on_nineteen, on_schemes

# fmt: off
MAPILLARY65 = LabelSet(
    "mapillary",
    (
        #     name                       id  train  colour (RGB)    category
        Label("Bird",                      0,    0, (165,  42,  42), "animal"),
        Label("Ground Animal",             1,    1, (  0, 192,   0), "animal"),
        Label("Curb",                      2,    2, (196, 196, 196), "construction"),
        Label("Fence",                     3,    3, (190, 153, 153), "construction"),
        Label("Guard Rail",                4,    4, (180, 165, 180), "construction"),
        Label("Barrier",                   5,    5, ( 90, 120, 150), "construction"),
        Label("Wall",                      6,    6, (102, 102, 156), "construction"),
        Label("Bike Lane",                 7,    7, (128,  64, 255), "construction"),
        Label("Crosswalk - Plain",         8,    8, (140, 140, 200), "construction"),
        Label("Curb Cut",                  9,    9, (170, 170, 170), "construction"),
        Label("Parking",                  10,   10, (250, 170, 160), "construction"),
        Label("Pedestrian Area",          11,   11, ( 96,  96,  96), "construction"),
        Label("Rail Track",               12,   12, (230, 150, 140), "construction"),
        Label("Road",                     13,   13, (128,  64, 128), "construction"),
        Label("Service Lane",             14,   14, (110, 110, 110), "construction"),
        Label("Sidewalk",                 15,   15, (244,  35, 232), "construction"),
        Label("Bridge",                   16,   16, (150, 100, 100), "construction"),
        Label("Building",                 17,   17, ( 70,  70,  70), "construction"),
        Label("Tunnel",                   18,   18, (150, 120,  90), "construction"),
        Label("Person",                   19,   19, (220,  20,  60), "human"),
        Label("Bicyclist",                20,   20, (255,   0,   0), "human"),
        Label("Motorcyclist",             21,   21, (255,   0, 100), "human"),
        Label("Other Rider",              22,   22, (255,   0, 200), "human"),
        Label("Lane Marking - Crosswalk", 23,   23, (200, 128, 128), "marking"),
        Label("Lane Marking - General",   24,   24, (255, 255, 255), "marking"),
        Label("Mountain",                 25,   25, ( 64, 170,  64), "nature"),
        Label("Sand",                     26,   26, (230, 160,  50), "nature"),
        Label("Sky",                      27,   27, ( 70, 130, 180), "nature"),
        Label("Snow",                     28,   28, (190, 255, 255), "nature"),
        Label("Terrain",                  29,   29, (152, 251, 152), "nature"),
        Label("Vegetation",               30,   30, (107, 142,  35), "nature"),
        Label("Water",                    31,   31, (  0, 170,  30), "nature"),
        Label("Banner",                   32,   32, (255, 255, 128), "object"),
        Label("Bench",                    33,   33, (250,   0,  30), "object"),
        Label("Bike Rack",                34,   34, (100, 140, 180), "object"),
        Label("Billboard",                35,   35, (220, 220, 220), "object"),
        Label("Catch Basin",              36,   36, (220, 128, 128), "object"),
        Label("CCTV Camera",              37,   37, (222,  40,  40), "object"),
        Label("Fire Hydrant",             38,   38, (100, 170,  30), "object"),
        Label("Junction Box",             39,   39, ( 40,  40,  40), "object"),
        Label("Mailbox",                  40,   40, ( 33,  33,  33), "object"),
        Label("Manhole",                  41,   41, (100, 128, 160), "object"),
        Label("Phone Booth",              42,   42, (142,   0,   0), "object"),
        Label("Pothole",                  43,   43, ( 70, 100, 150), "object"),
        Label("Street Light",             44,   44, (210, 170, 100), "object"),
        Label("Pole",                     45,   45, (153, 153, 153), "object"),
        Label("Traffic Sign Frame",       46,   46, (128, 128, 128), "object"),
        Label("Utility Pole",             47,   47, (  0,   0,  80), "object"),
        Label("Traffic Light",            48,   48, (250, 170,  30), "object"),
        Label("Traffic Sign (Back)",      49,   49, (192, 192, 192), "object"),
        Label("Traffic Sign (Front)",     50,   50, (220, 220,   0), "object"),
        Label("Trash Can",                51,   51, (140, 140,  20), "object"),
        Label("Bicycle",                  52,   52, (119,  11,  32), "object"),
        Label("Boat",                     53,   53, (150,   0, 255), "object"),
        Label("Bus",                      54,   54, (  0,  60, 100), "object"),
        Label("Car",                      55,   55, (  0,   0, 142), "object"),
        Label("Caravan",                  56,   56, (  0,   0,  90), "object"),
        Label("Motorcycle",               57,   57, (  0,   0, 230), "object"),
        Label("On Rails",                 58,   58, (  0,  80, 100), "object"),
        Label("Other Vehicle",            59,   59, (128,  64,  64), "object"),
        Label("Trailer",                  60,   60, (  0,   0, 110), "object"),
        Label("Truck",                    61,   61, (  0,   0,  70), "object"),
        Label("Wheeled Slow",             62,   62, (  0,   0, 192), "object"),
        Label("Car Mount",                63,   63, ( 32,  32,  32), "void"),
        Label("Ego Vehicle",              64,   64, (120,  10,  10), "void"),
        Label("Unlabeled",                65, VOID, (  0,   0,   0), "void"),
    ),
)
"""Every value of the files with its own name; 65 classes, of which no scheme is made."""

_ALIKE = (
    "building", "wall", "fence", "traffic light", "vegetation", "terrain", "sky", "person", "car",
    "truck", "bus", "motorcycle", "bicycle",
)
_SHARED = {name: (name.title(),) for name in _ALIKE} | {
    "rider": ("Bicyclist", "Motorcyclist", "Other Rider"),
    "train": ("On Rails",),
}
_ROBUSTNET = _SHARED | {
    "road": ("Road", "Lane Marking - General", "Manhole"),
    "sidewalk": ("Sidewalk", "Curb"),
    "pole": ("Pole", "Utility Pole"),
    "traffic sign": ("Traffic Sign (Front)",),
}
_REIN = _SHARED | {
    "road": (
        "Road", "Lane Marking - General", "Lane Marking - Crosswalk", "Crosswalk - Plain",
        "Parking", "Bike Lane", "Service Lane",
    ),
    "sidewalk": ("Sidewalk", "Curb", "Curb Cut", "Pedestrian Area"),
    "pole": ("Pole", "Utility Pole", "Street Light"),
    "traffic sign": ("Traffic Sign (Front)", "Traffic Sign (Back)", "Traffic Sign Frame"),
}
# fmt: on


def _find_one(root: Path, split: str) -> Pairing:
    folder = root / split
    there = [one for one in ("labels", "v1.2/labels") if (folder / one).is_dir()]
    if not there and (folder / "v2.0/labels").is_dir():
        raise DatasetError(
            f"{SOURCE.title}: {folder} has label maps of v2.0 only (124 values, for which there is "
            f"no public map to the 19 classes); unpack {folder / 'v1.2/labels'} from the same "
            "archive"
        )
    return SOURCE.pair(root, split, targets=Place(f"{split}/{(there or ['labels'])[0]}", ".png"))


SOURCE = DatasetSource(
    name="mapillary",
    title="Mapillary Vistas",
    layout="""
mapillary/{training,validation,testing}/images/<id>.jpg
mapillary/{training,validation}/labels/<id>.png                  (release v1.2), or
mapillary/{training,validation}/v1.2/labels/<id>.png             (release v2.0)
""",
    where="https://www.mapillary.com/dataset/vistas (registration; research licence): the archive "
    "of release v1.2 or v2.0, unpacked into mapillary/",
    splits={"training": 18_000, "validation": 2_000, "testing": 5_000},
    unlabelled=("testing",),
    images=Place("{split}/images", ".jpg"),
    find_one=_find_one,
    label_maps={
        "robustnet": on_schemes(on_nineteen("mapillary_robustnet", MAPILLARY65, _ROBUSTNET)),
        "rein": on_schemes(on_nineteen("mapillary_rein", MAPILLARY65, _REIN)),
    },
    raw=MAPILLARY65,
)
