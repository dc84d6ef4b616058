"""LabelSet: one table of label rows, and what follows from it. K classes never count ignore."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from segibn.errors import ConfigError, LabelValueError
from segibn.files.label_colors import LabelColors
from segibn.files.pictures import LabelStorage, read_label_map
from segibn.text import printable

IGNORE_INDEX = 255  # the train id of pixels that neither the loss nor a score counts

FIRST_GROUP = 200  # the train id of pixels known to be of one of the classes of `LabelSet.groups[0]`, then of the next

# Stands for values the label table does not know; 255 would be a legal result.
_UNKNOWN = 254

Color = tuple[int, int, int]  # RGB, 0..255


@dataclass(frozen=True)
class Label:
    """One row of a data set's table: what one raw pixel value means."""

    name: str
    label_id: int  # raw value in the data set's files, 0..255; -1 for a row that is never drawn
    train_id: int  # class index for training, `FIRST_GROUP` and more for a group, or 255 for ignored
    color: Color
    category: str = ""
    has_color: bool = True  # whether ``color`` was chosen for the row, so that label files may be held against it


@dataclass(frozen=True)
class ClassInfo:
    """One training class."""

    name: str
    color: Color


@dataclass(frozen=True)
class ClassSpec:
    """One class of a coarser scheme, and the finer classes that it gathers."""

    name: str
    color: Color
    members: tuple[str, ...]


@dataclass(frozen=True)
class LabelSet:
    """A data set's label table and its classes; ConfigError: the table contradicts itself."""

    name: str  # for messages and signatures
    labels: tuple[Label, ...]
    """The rows. Several may share one train id; the first of them is what `to_label_ids` writes."""
    classes: tuple[ClassInfo, ...] = ()
    """In train id order, by default as the first row of each train id. Given, the table may lack
    rows for some: CamVid has no trains, and is still scored on the 19 classes of Cityscapes."""
    storage: LabelStorage = "index"
    groups: tuple[tuple[str, ...], ...] = ()
    """Classes that some rows tell together only, for `group_cross_entropy`; no score counts such pixels."""

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", _classes_of(self.labels))
        if problems := _problems(self):
            raise ConfigError(printable(f"label table '{self.name}': " + "; ".join(problems)))

    @property
    def num_classes(self) -> int:
        """K, not counting ignore."""
        return len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names in train id order."""
        return tuple(info.name for info in self.classes)

    @cached_property
    def palette(self) -> np.ndarray:
        """(K, 3) uint8 RGB in train id order, read-only."""
        return _frozen(np.array([info.color for info in self.classes], np.uint8))

    @cached_property
    def lookup(self) -> np.ndarray:
        """(256,) int16, raw value -> train id; -1 where the table has no row. Read-only."""
        table = np.full(256, -1, np.int16)
        for label in self.labels:
            if label.label_id >= 0:
                table[label.label_id] = label.train_id
        return _frozen(table)

    @cached_property
    def inverse(self) -> np.ndarray:
        """(256,) int16, train id -> raw value; -1 where no row could be written. Read-only."""
        table = np.full(256, -1, np.int16)
        for label in reversed(self.labels):  # the first row of a train id wins
            if label.label_id >= 0:
                table[label.train_id] = label.label_id
        return _frozen(table)

    @cached_property
    def colors(self) -> LabelColors | None:
        """What label files are held against or read by; None where no row has a colour."""
        drawn = [row for row in self.labels if row.label_id >= 0 and row.has_color]
        rows = [(row.name, row.label_id, tuple(row.color), row.train_id) for row in drawn]
        return LabelColors(self.name, *zip(*rows, strict=True)) if rows else None

    def read(self, path: Path) -> np.ndarray:
        """Read raw values, (H, W) uint8, as `files.pictures.read_label_map` does."""
        return read_label_map(path, self.storage, self.colors)

    def to_train_ids(self, label_map: np.ndarray, source: str | Path = "label map") -> np.ndarray:
        """Map raw values, (H, W) uint8 -> [0, K) or 255; LabelValueError: not in the table."""
        train_ids = cv2.LUT(label_map, np.where(self.lookup < 0, _UNKNOWN, self.lookup).astype(np.uint8))
        if (train_ids == _UNKNOWN).any():
            raise LabelValueError(self._describe_unknown(label_map, source))
        return train_ids

    def to_label_ids(self, train_ids: np.ndarray) -> np.ndarray:
        """Map train ids, (H, W) uint8, back to the raw values that the benchmark expects.

        Ignored pixels get the first ignored row's. LabelValueError: one that cannot be written.
        """
        label_ids = np.take(self.inverse, train_ids)
        if (label_ids < 0).any():
            bad = np.unique(train_ids[label_ids < 0]).tolist()
            names = ", ".join(self._train_id_text(train_id) for train_id in bad)
            raise LabelValueError(f"label table '{self.name}' has no value to write for {names}")
        return label_ids.astype(np.uint8)

    def remap(self, name: str, specs: Sequence[ClassSpec]) -> "LabelSet":
        """Derive the table of a coarser scheme; rows of classes it leaves out are ignored.

        `to_label_ids` writes the first member of a class. ConfigError: one is a member of two.
        """
        groups = {member: index for index, spec in enumerate(specs) for member in spec.members}
        if len(groups) != sum(len(spec.members) for spec in specs):
            raise ConfigError(f"class scheme '{name}': a class is a member of two classes")
        order = {member: place for place, member in enumerate(groups)}
        names = [self.classes[row.train_id].name if row.train_id < len(self.classes) else "" for row in self.labels]
        places = sorted(range(len(names)), key=lambda place: order.get(names[place], len(order)))
        rows = (replace(self.labels[place], train_id=groups.get(names[place], IGNORE_INDEX)) for place in places)
        return LabelSet(name, tuple(rows), tuple(ClassInfo(spec.name, spec.color) for spec in specs), self.storage)

    def in_order(self, class_names: Sequence[str]) -> "LabelSet":
        """Return this table with its classes in another order; ConfigError: it has others."""
        if self.class_names == tuple(class_names):
            return self
        colors = {info.name: info.color for info in self.classes}
        if sorted(colors) != sorted(class_names):
            own = f"label table '{self.name}' has the classes {', '.join(self.class_names)}"
            raise ConfigError(f"{own}, not {', '.join(class_names)}")
        table = self.remap(self.name, [ClassSpec(n, colors[n], (n,)) for n in class_names])
        of_groups = [row for row in self.labels if FIRST_GROUP <= row.train_id < IGNORE_INDEX and self.groups]
        values = {row.label_id for row in of_groups}
        kept = (row for row in table.labels if row.label_id not in values)
        return replace(table, labels=(*kept, *of_groups), groups=self.groups)

    def _describe_unknown(self, label_map: np.ndarray, source: str | Path) -> str:
        counts = np.bincount(label_map.ravel(), minlength=256)
        bad = [value for value in np.flatnonzero(counts) if self.lookup[value] < 0]
        listed = ", ".join(f"{value} ({counts[value]} pixels)" for value in bad[:8])
        more = f" and {len(bad) - 8} more values" if len(bad) > 8 else ""
        return (
            f"{source}: values outside the label table '{self.name}': {listed}{more}; it knows "
            f"{value_ranges(np.flatnonzero(self.lookup >= 0))}. Is it another data set's encoding?"
        )

    def _train_id_text(self, train_id: int) -> str:
        if train_id < self.num_classes:
            return f"class {train_id} ({self.classes[train_id].name})"
        return "ignored pixels (255)" if train_id == IGNORE_INDEX else f"train id {train_id}"


def value_ranges(values: np.ndarray, to: str = "-") -> str:
    """Write sorted integers as ranges: 0-33, 255."""
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}{to}{run[-1]}" for run in runs)


def _classes_of(labels: Sequence[Label]) -> tuple[ClassInfo, ...]:
    first = {label.train_id: ClassInfo(label.name, label.color) for label in reversed(labels)}
    first.pop(IGNORE_INDEX, None)
    return tuple(first[key] for key in sorted(first))


def _problems(label_set: LabelSet) -> list[str]:
    problems = []
    names = label_set.class_names
    if not names:
        problems.append("no class: every row is ignored")
    if len(names) > _UNKNOWN:
        problems.append(f"{len(names)} classes; at most {_UNKNOWN} fit")
    values = Counter(label.label_id for label in label_set.labels)
    for value in sorted(value for value, count in values.items() if count > 1 and value >= 0):
        rows = [f"'{row.name}'" for row in label_set.labels if row.label_id == value]
        problems.append(f"label_id {value} is in {len(rows)} rows ({', '.join(rows)}); keep one")
    for name in sorted(name for name, count in Counter(names).items() if count > 1):
        fix = "name them apart, or give their rows one train_id"
        problems.append(f"two classes are named '{name}'; {fix}")
    for label in label_set.labels:
        if not -1 <= label.label_id <= 255:
            problems.append(f"'{label.name}': label_id {label.label_id} is not in -1..255")
        known = (range(len(names)), range(FIRST_GROUP, FIRST_GROUP + len(label_set.groups)), (IGNORE_INDEX,))
        if not any(label.train_id in ids for ids in known):
            gap = f"train_id {label.train_id}, but there are {len(names)} classes"
            problems.append(f"'{label.name}': {gap} (count from 0 without gaps; 255 = ignored)")
        if len(label.color) != 3 or not all(0 <= value <= 255 for value in label.color):
            problems.append(f"'{label.name}': color {label.color} is not three values 0..255")
    return problems


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
