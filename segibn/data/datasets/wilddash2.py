"""WildDash 2 (Zendel et al., CVPR 2022): its public frames, 81 values, read in the 19 classes.

The release holds panoptic maps; the authors' pano2sem.py makes label maps of them. Values and their
map to Cityscapes: ``wd2_unified_label_policy.json``, both of ozendelait/wilddash_scripts. Pickups
are trucks, vans are cars, autorickshaws are motorcycles there; road markings, manholes, tram
tracks, crosswalks and bike lanes are road. What becomes one of Cityscapes' classes that its
evaluation leaves out (static, dynamic, ground, parking, bridges ...) is ignored.
"""

from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing
from segibn.errors import DatasetError
from segibn.labels.label_set import IGNORE_INDEX as VOID
from segibn.labels.label_set import Label, LabelSet
from segibn.labels.schemes import on_nineteen, on_schemes

# fmt: off
_RAW = LabelSet(
    "wilddash2",
    (
        #     name              id  train  colour (RGB)    category
        Label("unlabeled",         0, VOID, (255, 255, 255), "void"),
        Label("egovehicle",        1,    0, (  0,  20,  50), "vehicle"),
        Label("overlay",           2,    1, ( 20,  20,  20), "void"),
        Label("outofroi",          3,    2, (  3,   3,   3), "void"),
        Label("static",            4,    3, (  4,   4,   4), "void"),
        Label("dynamic",           5,    4, (111,  74,   0), "void"),
        Label("ground",            6,    5, ( 81,   0,  81), "flat"),
        Label("road",              7,    6, (128,  64, 128), "flat"),
        Label("sidewalk",          8,    7, (244,  35, 232), "flat"),
        Label("parking",           9,    8, (250, 170, 160), "flat"),
        Label("railtrack",        10,    9, (230, 150, 140), "flat"),
        Label("building",         11,   10, ( 70,  70,  70), "construction"),
        Label("wall",             12,   11, (102, 102, 156), "construction"),
        Label("fence",            13,   12, (190, 153, 153), "construction"),
        Label("guardrail",        14,   13, (180, 165, 180), "construction"),
        Label("bridge",           15,   14, (150, 100, 100), "construction"),
        Label("tunnel",           16,   15, (150, 120,  90), "construction"),
        Label("pole",             17,   16, (152, 152, 152), "object"),
        Label("polegroup",        18,   17, (153, 152, 153), "object"),
        Label("trafficlight",     19,   18, (250, 170,  30), "object"),
        Label("trafficsign",      20,   19, (220, 220,   0), "object"),
        Label("vegetation",       21,   20, (107, 142,  35), "nature"),
        Label("terrain",          22,   21, (152, 251, 152), "nature"),
        Label("sky",              23,   22, ( 70, 130, 180), "sky"),
        Label("person",           24,   23, (220,  20,  60), "human"),
        Label("rider",            25,   24, (255,   0,   0), "human"),
        Label("car",              26,   25, (  0,   0, 142), "vehicle"),
        Label("truck",            27,   26, (  0,   0,  70), "vehicle"),
        Label("bus",              28,   27, (  0,  60, 100), "vehicle"),
        Label("caravan",          29,   28, (  0,   0,  90), "vehicle"),
        Label("trailer",          30,   29, (  0,   0, 110), "vehicle"),
        Label("onrails",          31,   30, (  0,  80, 100), "vehicle"),
        Label("motorcycle",       32,   31, (  0,   0, 230), "vehicle"),
        Label("bicycle",          33,   32, (119,  11,  32), "vehicle"),
        Label("pickup",           34,   33, ( 40,   0, 100), "vehicle"),
        Label("van",              35,   34, (  0,  40, 120), "vehicle"),
        Label("billboard",        36,   35, (174,  64,  67), "object"),
        Label("streetlight",      37,   36, (210, 170, 100), "object"),
        Label("roadmarking",      38,   37, (196, 176, 128), "flat"),
        Label("junctionbox",      39,   38, ( 40,  40,  40), "object"),
        Label("mailbox",          40,   39, ( 50,  50,  50), "object"),
        Label("manhole",          41,   40, (190, 178, 209), "object"),
        Label("phonebooth",       42,   41, ( 60,  60,  60), "object"),
        Label("pothole",          43,   42, (215, 190, 215), "object"),
        Label("bikerack",         44,   43, ( 15,  45,  80), "object"),
        Label("trafficsignframe", 45,   44, (128, 128, 128), "object"),
        Label("utilitypole",      46,   45, (  0,   0,  80), "object"),
        Label("motorcyclist",     47,   46, (255,   0, 100), "human"),
        Label("bicyclist",        48,   47, (255,   0,  10), "human"),
        Label("otherrider",       49,   48, (255,   0,   0), "human"),
        Label("bird",             50,   49, (165,  42,  42), "nature"),
        Label("groundanimal",     51,   50, (  0, 192,   0), "nature"),
        Label("curb",             52,   51, (196, 196, 196), "flat"),
        Label("trafficsignany",   53,   52, (220, 220,  15), "object"),
        Label("trafficsignback",  54,   53, (192, 192, 192), "object"),
        Label("trashcan",         55,   54, (140, 140,  20), "object"),
        Label("otherbarrier",     56,   55, ( 90, 120, 150), "object"),
        Label("othervehicle",     57,   56, (128,  64,  64), "vehicle"),
        Label("autorickshaw",     58,   57, (  0,   0, 137), "vehicle"),
        Label("bench",            59,   58, (250,   0,  30), "object"),
        Label("mountain",         60,   59, ( 64, 170,  64), "nature"),
        Label("tramtrack",        61,   60, (192,   0, 128), "flat"),
        Label("wheeledslow",      62,   61, (  0,   0, 192), "vehicle"),
        Label("boat",             63,   62, (150,   0, 255), "vehicle"),
        Label("bikelane",         64,   63, (128,  64, 255), "flat"),
        Label("bikelanesidewalk", 65,   64, (182, 170, 217), "flat"),
        Label("banner",           66,   65, (255, 255, 128), "object"),
        Label("dashcammount",     67,   66, ( 20,  20,  32), "vehicle"),
        Label("water",            68,   67, (  0, 170,  30), "flat"),
        Label("sand",             69,   68, (230, 160,  50), "flat"),
        Label("pedestrianarea",   70,   69, ( 96,  96,  96), "flat"),
        Label("firehydrant",      71,   70, (100, 170,  30), "object"),
        Label("cctvcamera",       72,   71, (222,  40,  40), "object"),
        Label("snow",             73,   72, (190, 255, 255), "flat"),
        Label("catchbasin",       74,   73, (220, 128, 128), "object"),
        Label("crosswalkplain",   75,   74, (140, 140, 200), "flat"),
        Label("crosswalkzebra",   76,   75, (200, 128, 128), "flat"),
        Label("manholesidewalk",  77,   76, (196, 104, 204), "object"),
        Label("curbterrain",      78,   77, (150, 220, 150), "flat"),
        Label("servicelane",      79,   78, (110, 100, 100), "flat"),
        Label("curbcut",          80,   79, (170, 170, 170), "flat"),
    ),
)
"""Every value of the files with its own name; 80 classes, of which no scheme is made."""

_GROUPS = {
    "road": (
        "road", "roadmarking", "manhole", "pothole", "tramtrack", "bikelane", "pedestrianarea",
        "catchbasin", "crosswalkplain", "crosswalkzebra", "servicelane",
    ),
    "sidewalk": ("sidewalk", "curb", "bikelanesidewalk", "manholesidewalk", "curbcut"),
    "building": ("building",),
    "wall": ("wall", "otherbarrier"),
    "fence": ("fence",),
    "pole": ("pole", "trafficsignframe", "utilitypole"),
    "traffic light": ("trafficlight",),
    "traffic sign": ("trafficsign",),
    "vegetation": ("vegetation",),
    "terrain": ("terrain", "curbterrain"),
    "sky": ("sky",),
    "person": ("person",),
    "rider": ("rider", "motorcyclist", "bicyclist", "otherrider"),
    "car": ("car", "van"),
    "truck": ("truck", "pickup"),
    "bus": ("bus",),
    "train": ("onrails",),
    "motorcycle": ("motorcycle", "autorickshaw"),
    "bicycle": ("bicycle",),
}
# fmt: on


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
