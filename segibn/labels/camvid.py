"""CamVid in the SegNet version (480x360, 12 values): its own 11 classes, or Cityscapes' 19.

Each value gathers several of CamVid's 32 original classes; the usual account of that grouping
puts walls with buildings, traffic lights with signs, trucks and buses with cars, motorcycles with
bicyclists, and low plants with trees.
"""

from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet

# fmt: off
CAMVID11 = LabelSet(
    "camvid",
    (
        #     name        id  train  colour (RGB)
        Label("sky",         0,  0, (128, 128, 128)),
        Label("building",    1,  1, (128,   0,   0)),
        Label("pole",        2,  2, (192, 192, 128)),
        Label("road",        3,  3, (128,  64, 128)),
        Label("pavement",    4,  4, ( 60,  40, 222)),
        Label("tree",        5,  5, (128, 128,   0)),
        Label("sign",        6,  6, (192, 128, 128)),
        Label("fence",       7,  7, ( 64,  64, 128)),
        Label("car",         8,  8, ( 64,   0, 128)),
        Label("pedestrian",  9,  9, ( 64,  64,   0)),
        Label("bicyclist",  10, 10, (  0, 128, 192)),
        Label("void",       11, IGNORE_INDEX, (0, 0, 0)),
    ),
)
# fmt: on

# CamVid paints the cyclist and the bicycle as one. Of Cityscapes' two classes, "bicycle" keeps
# "rider" for people; the choice moves the IoU of these two classes only.
_CITYSCAPES_CLASS = {
    "sky": "sky",
    "building": "building",
    "pole": "pole",
    "road": "road",
    "pavement": "sidewalk",
    "tree": "vegetation",
    "sign": "traffic sign",
    "fence": "fence",
    "car": "car",
    "pedestrian": "person",
    "bicyclist": "bicycle",
}


def _on_cityscapes_classes(label: Label) -> Label:
    if label.train_id == IGNORE_INDEX:
        return label
    train_id = CITYSCAPES.class_names.index(_CITYSCAPES_CLASS[label.name])
    return Label(label.name, label.label_id, train_id, CITYSCAPES.classes[train_id].color)


# Eight of the 19 classes have no row: they never occur in CamVid's truth, and a network that
# predicts them is wrong there.
CAMVID19 = LabelSet(
    "camvid_on_cityscapes19",
    tuple(_on_cityscapes_classes(label) for label in CAMVID11.labels),
    CITYSCAPES.classes,
)
