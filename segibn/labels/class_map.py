"""Which class of a data set each class of somebody's network is, where their names differ."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segibn.errors import ConfigError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.labels.schemes import COARSER
from segibn.text import did_you_mean, listed, printable
from segibn.text.plain_data import read_yaml_file


@dataclass(frozen=True)
class ClassMap:
    """Class of the network -> class of the data set; None = no class of it."""

    rows: Mapping[str, str | None]
    source: str

    @classmethod
    def read(cls, path: Path) -> "ClassMap":
        """Read a YAML file of lines ``their class: ours``; ConfigError: it is another.

        The name of a scheme that gathers the 19 classes, such as street11, is a map of these.
        """
        if str(path) in COARSER:
            members = {member: spec.name for spec in COARSER[str(path)] for member in spec.members}
            return cls({name: members.get(name) for name in CITYSCAPES.class_names}, str(path))
        if not path.exists():
            hint = did_you_mean(str(path), COARSER) or f"; give a YAML file, or one of {', '.join(COARSER)}"
            raise ConfigError(f"--class-map {printable(str(path))}: no such file{hint}")
        rows = read_yaml_file(path)
        kinds = {type(value) for value in rows.values()} if isinstance(rows, dict) else {int}
        if not rows or not kinds <= {str, type(None)} or {type(key) for key in rows} != {str}:
            raise ConfigError(f"{path}: write lines such as `pavement: sidewalk`, or `sea: null`")
        return cls(rows, str(path))

    @property
    def name(self) -> str:
        """What a signature says: ``map-`` and the beginning of its content's SHA-256."""
        text = json.dumps(self.rows, sort_keys=True)
        return f"map-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def targets(self) -> set[str]:
        """The data set's classes that it names."""
        return set(filter(None, self.rows.values()))

    def table(self, theirs: Sequence[str], labels: LabelSet) -> np.ndarray:
        """(K,) uint8: train id in the data set of each class of a network, 255 = none.

        A class that the map does not name is the data set's of the same name, else none.
        ConfigError: the map names a class that one of the two does not have, or maps nothing.
        """
        ours = {name: index for index, name in enumerate(labels.class_names)}
        for word, known, whose in (
            *((key, theirs, "the network") for key in self.rows),
            *((value, tuple(ours), labels.name) for value in self.rows.values() if value),
        ):
            if word not in known:
                hint = did_you_mean(word, known) or f"; it has {listed(known, 8)}"
                raise ConfigError(f"{self.source}: {whose} has no class {printable(word)}{printable(hint)}")
        found = [ours.get(self.rows.get(name, name) or "", IGNORE_INDEX) for name in theirs]
        if set(found) == {IGNORE_INDEX}:
            raise ConfigError(f"{self.source}: no class of the network is one of {labels.name}")
        return np.array(found, np.uint8)
