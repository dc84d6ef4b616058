"""IDD-Lite, 320x227 frames of Indian roads in the 7 classes of IDD's first level: ``119/005506``.

Most of these hold several of Cityscapes' 19: for training in those only road and sky are known, and
networks of the 19 are scored in the 7.
"""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, ClassSpec, Label, LabelSet
from segibn.labels.schemes import nineteen_label

# What each gathers, by IDD's label hierarchy (arXiv 1811.10200): parking and unpaved shoulders are
# drivable, pavements and rail tracks non-drivable; animals are living things, rickshaws and
# bicycles vehicles; walls, poles and signs roadside objects; buildings, bridges and vegetation far
# objects. Unpaved ground, terrain in IDD's own map to the 19, is non-drivable.
# fmt: off
IDD7 = (
    #         class              colour (RGB)      Cityscapes' classes
    ClassSpec("drivable",         (128,  64, 128), ("road",)),
    ClassSpec("non-drivable",     (244,  35, 232), ("sidewalk", "terrain")),
    ClassSpec("living things",    (220,  20,  60), ("person", "rider")),
    ClassSpec("vehicles",         (  0,   0, 142), ("car", "truck", "bus", "train", "motorcycle",
                                                    "bicycle")),
    ClassSpec("roadside objects", (220, 220,   0), ("wall", "fence", "pole", "traffic light",
                                                    "traffic sign")),
    ClassSpec("far objects",      ( 70,  70,  70), ("building", "vegetation")),
    ClassSpec("sky",              ( 70, 130, 180), ("sky",)),
)
# fmt: on
_KNOWN = {"drivable": "road", "sky": "sky"}
_VOID = Label("void", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0))

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
        "idd7": LabelSet("idd_lite", (*(Label(spec.name, i, i, spec.color) for i, spec in enumerate(IDD7)), _VOID)),
        "cityscapes19": LabelSet(
            "idd_lite_on_cityscapes19",
            (*(nineteen_label(s.name, i, _KNOWN.get(s.name)) for i, s in enumerate(IDD7)), _VOID),
            CITYSCAPES.classes,
        ),
    },
    gathers=IDD7,
)
