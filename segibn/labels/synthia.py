"""SYNTHIA-RAND-CITYSCAPES: 23 values, and the 16 and 13 classes that it is compared on.

The table of values follows the loader of RobustNet (Choi et al., CVPR 2021). No pixel of the
frames is terrain, truck or train, so networks trained on them are compared on the other 16
classes. The mean of 13 (mIoU* of domain adaptation papers) leaves out wall, fence and pole as
well; that is recalled, not seen in a source. Both keep the order of the 19; pixels of what they
leave out are ignored, in training and in scoring.
"""

from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, ClassSpec, Label, LabelSet

VOID = IGNORE_INDEX

# fmt: off
_ROWS = (
    # name            id  class of the 19, or none
    ("void",           0, None),
    ("sky",            1, "sky"),
    ("building",       2, "building"),
    ("road",           3, "road"),
    ("sidewalk",       4, "sidewalk"),
    ("fence",          5, "fence"),
    ("vegetation",     6, "vegetation"),
    ("pole",           7, "pole"),
    ("car",            8, "car"),
    ("traffic sign",   9, "traffic sign"),
    ("pedestrian",    10, "person"),
    ("bicycle",       11, "bicycle"),
    ("motorcycle",    12, "motorcycle"),
    ("parking slot",  13, None),
    ("road work",     14, None),
    ("traffic light", 15, "traffic light"),
    ("terrain",       16, "terrain"),
    ("rider",         17, "rider"),
    ("truck",         18, "truck"),
    ("bus",           19, "bus"),
    ("train",         20, "train"),
    ("wall",          21, "wall"),
    ("lane marking",  22, None),
)
# fmt: on


def _label(name: str, label_id: int, class_name: str | None) -> Label:
    if class_name is None:
        return Label(name, label_id, VOID, (0, 0, 0))
    train_id = CITYSCAPES.class_names.index(class_name)
    return Label(name, label_id, train_id, CITYSCAPES.classes[train_id].color)


SYNTHIA = LabelSet(
    "synthia", tuple(_label(*row) for row in _ROWS), CITYSCAPES.classes, storage="red16"
)

_NOT_IN_16 = ("terrain", "truck", "train")
_NOT_IN_13 = (*_NOT_IN_16, "wall", "fence", "pole")


def _all_but(left_out: tuple[str, ...]) -> tuple[ClassSpec, ...]:
    return tuple(
        ClassSpec(info.name, info.color, (info.name,))
        for info in CITYSCAPES.classes
        if info.name not in left_out
    )


SYNTHIA16 = _all_but(_NOT_IN_16)
SYNTHIA13 = _all_but(_NOT_IN_13)
