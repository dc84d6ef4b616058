"""Class schemes on Cityscapes' 19 classes, and how other tables are read in them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from segibn.errors import ConfigError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, ClassSpec, Label, LabelSet

# The 11 classes that CamVid, Cityscapes, GTA5 and BDD100K can all be read in. CamVid is the
# coarsest, so what its one value covers is gathered here from the 19 classes of the others:
# - CamVid draws traffic lights with signs, trucks, buses and trains with cars, grass verges with
#   trees, and, by the usual account, free-standing walls with buildings.
# - `bicyclist` holds riders, bicycles and motorcycles: CamVid draws cyclist and bicycle as one.
#   Its parked bicycles are void, but cannot be told apart in the others' label maps, so there they
#   count as this class: a network trained on CamVid alone never saw one named.
# - Only the 19 evaluated classes take part. Cityscapes' bridges, parking and pole groups, which its
#   own evaluation ignores, are ignored here too, so that Cityscapes and BDD100K mean the same.
# fmt: off
STREET11 = (
    #         class          colour (RGB)      Cityscapes' classes, then CamVid's if other
    ClassSpec("sky",         ( 70, 130, 180), ("sky",)),
    ClassSpec("building",    ( 70,  70,  70), ("building", "wall")),
    ClassSpec("pole",        (153, 153, 153), ("pole",)),
    ClassSpec("road",        (128,  64, 128), ("road",)),
    ClassSpec("sidewalk",    (244,  35, 232), ("sidewalk", "pavement")),
    ClassSpec("vegetation",  (107, 142,  35), ("vegetation", "terrain", "tree")),
    ClassSpec("sign",        (220, 220,   0), ("traffic sign", "traffic light", "sign")),
    ClassSpec("fence",       (190, 153, 153), ("fence",)),
    ClassSpec("car",         (  0,   0, 142), ("car", "truck", "bus", "train")),
    ClassSpec("person",      (220,  20,  60), ("person", "pedestrian")),
    ClassSpec("bicyclist",   (119,  11,  32), ("rider", "bicycle", "motorcycle", "bicyclist")),
)
# fmt: on


def _all_but(*left_out: str) -> tuple[ClassSpec, ...]:
    return tuple(
        ClassSpec(info.name, info.color, (info.name,)) for info in CITYSCAPES.classes if info.name not in left_out
    )


# No pixel of SYNTHIA is terrain, truck or train, so networks trained on it are compared on the
# other 16 classes; pixels of what is left out are ignored, in training and in scoring. The mean of
# 13 (mIoU* of domain adaptation papers) is recalled, not seen in a source.
SYNTHIA16 = _all_but("terrain", "truck", "train")
SYNTHIA13 = _all_but("terrain", "truck", "train", "wall", "fence", "pole")


COARSER = {"street11": STREET11, "synthia16": SYNTHIA16, "synthia13": SYNTHIA13}
"""Class scheme -> its classes, and which of the 19 each holds."""


def on_schemes(table: LabelSet) -> dict[str, LabelSet]:
    """Return class scheme -> table, of a table on the 19 classes."""
    tables = {key: table.remap(f"{table.name}_on_{key}", of) for key, of in COARSER.items()}
    return {"cityscapes19": table, **tables}


def on_nineteen(name: str, table: LabelSet, groups: Mapping[str, Sequence[str]]) -> LabelSet:
    """Read a table in the 19 classes; ConfigError: an unknown class, or one in two groups.

    ``groups``: class of the 19 -> the classes of ``table`` that count as it; others are ignored.
    """
    unknown = [key for key in groups if key not in CITYSCAPES.class_names]
    unknown += [own for group in groups.values() for own in group if own not in table.class_names]
    if unknown:
        raise ConfigError(f"label table '{name}': no such class: {', '.join(unknown)}")
    specs = [ClassSpec(info.name, info.color, tuple(groups.get(info.name, ()))) for info in CITYSCAPES.classes]
    return table.remap(name, specs)


def nineteen_label(name: str, label_id: int, class_name: str | None) -> Label:
    """Return the row of a value that is one of the 19 classes, in its colour, or ignored."""
    if class_name is None:
        return Label(name, label_id, IGNORE_INDEX, (0, 0, 0))
    train_id = CITYSCAPES.class_names.index(class_name)
    return Label(name, label_id, train_id, CITYSCAPES.classes[train_id].color)


def train_id_table(name: str) -> LabelSet:
    """Return the table of files that hold train ids: 0..18, and 255 for ignored pixels."""
    evaluated = (row for row in CITYSCAPES.labels if row.train_id != IGNORE_INDEX)
    void = Label("unlabeled", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0), "void")
    return LabelSet(name, (*(replace(row, label_id=row.train_id) for row in evaluated), void))
