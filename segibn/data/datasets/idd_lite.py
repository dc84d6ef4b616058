"""IDD-Lite, 320x227 frames of Indian roads in the 7 classes of IDD's first level: ``119/005506``.

Most of these hold several of Cityscapes' 19, which is why in those only road and sky are known.
"""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet
from segibn.labels.schemes import nineteen_label

# What each gathers, by IDD's label hierarchy (arXiv 1811.10200): parking and unpaved shoulders are
# drivable, pavements and rail tracks non-drivable; animals are living things, rickshaws and
# bicycles vehicles; walls, poles and signs roadside objects; buildings, bridges and vegetation far
# objects.
# fmt: off
_ROWS = (
    (Label("drivable",         0, 0, (128,  64, 128)), "road"),
    (Label("non-drivable",     1, 1, (244,  35, 232)), None),
    (Label("living things",    2, 2, (220,  20,  60)), None),
    (Label("vehicles",         3, 3, (  0,   0, 142)), None),
    (Label("roadside objects", 4, 4, (220, 220,   0)), None),
    (Label("far objects",      5, 5, ( 70,  70,  70)), None),
    (Label("sky",              6, 6, ( 70, 130, 180)), "sky"),
    (Label("void", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0)), None),
)
# fmt: on
_ON_NINETEEN = LabelSet(
    "idd_lite_on_cityscapes19",
    tuple(nineteen_label(label.name, label.label_id, of) for label, of in _ROWS),
    CITYSCAPES.classes,
)

SOURCE = DatasetSource(
    name="idd_lite",
    title="IDD-Lite",
    layout="""
idd_lite/leftImg8bit/{train,val}/<drive>/<frame>_image.jpg
idd_lite/gtFine/{train,val}/<drive>/<frame>_label.png
""",
    where="https://idd.insaan.iiit.ac.in (registration; its own terms): IDD-Lite, its folder "
    "idd20k_lite renamed to idd_lite; the *_inst_label.png are passed over",
    splits={"train": None, "val": None},
    images=Place("leftImg8bit/{split}", "_image.jpg", keep_folders=True),
    targets=Place("gtFine/{split}", "_label.png", keep_folders=True),
    tables={
        "idd7": LabelSet("idd_lite", tuple(label for label, _ in _ROWS)),
        "cityscapes19": _ON_NINETEEN,
    },
)
