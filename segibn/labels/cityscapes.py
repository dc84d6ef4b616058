"""Cityscapes: the 34 label ids and the license plate, of which 19 classes are evaluated.

The table agrees with the official ``cityscapesscripts.helpers.labels`` (a test compares them),
except that rows it never trains on have train id 255 throughout; there the license plate has -1.
"""

from segibn.labels.label_set import IGNORE_INDEX as VOID
from segibn.labels.label_set import Label, LabelSet

# fmt: off
LABELS = (
    #     name                  id  train  colour (RGB)      category
    Label("unlabeled",             0, VOID, (  0,   0,   0), "void"),
    Label("ego vehicle",           1, VOID, (  0,   0,   0), "void"),
    Label("rectification border",  2, VOID, (  0,   0,   0), "void"),
    Label("out of roi",            3, VOID, (  0,   0,   0), "void"),
    Label("static",                4, VOID, (  0,   0,   0), "void"),
    Label("dynamic",               5, VOID, (111,  74,   0), "void"),
    Label("ground",                6, VOID, ( 81,   0,  81), "void"),
    Label("road",                  7,    0, (128,  64, 128), "flat"),
    Label("sidewalk",              8,    1, (244,  35, 232), "flat"),
    Label("parking",               9, VOID, (250, 170, 160), "flat"),
    Label("rail track",           10, VOID, (230, 150, 140), "flat"),
    Label("building",             11,    2, ( 70,  70,  70), "construction"),
    Label("wall",                 12,    3, (102, 102, 156), "construction"),
    Label("fence",                13,    4, (190, 153, 153), "construction"),
    Label("guard rail",           14, VOID, (180, 165, 180), "construction"),
    Label("bridge",               15, VOID, (150, 100, 100), "construction"),
    Label("tunnel",               16, VOID, (150, 120,  90), "construction"),
    Label("pole",                 17,    5, (153, 153, 153), "object"),
    Label("polegroup",            18, VOID, (153, 153, 153), "object"),
    Label("traffic light",        19,    6, (250, 170,  30), "object"),
    Label("traffic sign",         20,    7, (220, 220,   0), "object"),
    Label("vegetation",           21,    8, (107, 142,  35), "nature"),
    Label("terrain",              22,    9, (152, 251, 152), "nature"),
    Label("sky",                  23,   10, ( 70, 130, 180), "sky"),
    Label("person",               24,   11, (220,  20,  60), "human"),
    Label("rider",                25,   12, (255,   0,   0), "human"),
    Label("car",                  26,   13, (  0,   0, 142), "vehicle"),
    Label("truck",                27,   14, (  0,   0,  70), "vehicle"),
    Label("bus",                  28,   15, (  0,  60, 100), "vehicle"),
    Label("caravan",              29, VOID, (  0,   0,  90), "vehicle"),
    Label("trailer",              30, VOID, (  0,   0, 110), "vehicle"),
    Label("train",                31,   16, (  0,  80, 100), "vehicle"),
    Label("motorcycle",           32,   17, (  0,   0, 230), "vehicle"),
    Label("bicycle",              33,   18, (119,  11,  32), "vehicle"),
    Label("license plate",        -1, VOID, (  0,   0, 142), "vehicle"),
)
# fmt: on

CITYSCAPES = LabelSet("cityscapes", LABELS)
