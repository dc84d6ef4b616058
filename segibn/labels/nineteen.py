"""The 19 classes of Cityscapes, as other data sets are read in them.

In: a data set's own table, and which of its classes make up each of the 19; or only a name, where
the files hold train ids. Out: a table on the 19.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from segibn.errors import ConfigError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, ClassSpec, Label, LabelSet


def on_nineteen(name: str, table: LabelSet, groups: Mapping[str, Sequence[str]]) -> LabelSet:
    """Read a table in the 19 classes.

    Args:
        name: of the new table.
        table: of the data set, in its own classes.
        groups: class of the 19 -> the classes of ``table`` that count as it. Classes in none of
            them are ignored; of the 19, those that are not in it have no pixels.

    Raises:
        ConfigError: an unknown class, or one in two groups.
    """
    unknown = [key for key in groups if key not in CITYSCAPES.class_names]
    unknown += [own for group in groups.values() for own in group if own not in table.class_names]
    if unknown:
        raise ConfigError(f"label table '{name}': no such class: {', '.join(unknown)}")
    specs = [
        ClassSpec(info.name, info.color, tuple(groups.get(info.name, ())))
        for info in CITYSCAPES.classes
    ]
    return table.remap(name, specs)


def train_id_table(name: str) -> LabelSet:
    """Return the table of files that hold train ids: 0..18, and 255 for ignored pixels."""
    evaluated = (row for row in CITYSCAPES.labels if row.train_id != IGNORE_INDEX)
    return LabelSet(
        name,
        (
            *(replace(row, label_id=row.train_id) for row in evaluated),
            Label("unlabeled", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0), "void"),
        ),
    )
