"""What each of n frames adds to the scores of its set: four integers for each of K classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segibn.evaluation.confusion import Counts
from segibn.evaluation.metrics import FIELDS

_FORM = f"class index:{','.join(FIELDS)}"


def counts_from(value: object) -> Counts:
    """Return nested lists of a file as int64; a ValueError unless all are whole numbers from 0."""
    counts = np.array(value)
    is_whole = counts.dtype.kind in "iu" and counts.size > 0
    if not is_whole or counts.min() < 0 or counts.max() > 1 << 62:
        raise ValueError("counts are whole numbers of pixels, from 0")
    return counts.astype(np.int64)


@dataclass(frozen=True, eq=False)
class FrameCounts:
    """Counts of every frame of a set, in its order."""

    names: tuple[str, ...]
    counts: Counts  # (n, 4, K) pixels

    def __post_init__(self) -> None:
        shape = np.shape(self.counts)
        if len(shape) != 3 or shape[:2] != (len(self.names), len(FIELDS)):
            raise ValueError(f"{len(self.names)} frames need counts (n, 4, K); got {shape}")
        require_distinct(self.names)

    def of(self, names: Sequence[str]) -> "FrameCounts":
        """Return the counts of some of the frames, in the order of ``names``."""
        places = {name: place for place, name in enumerate(self.names)}
        return FrameCounts(tuple(names), self.counts[[places[name] for name in names]])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: one line of text a frame, classes without pixels left out."""
        # Text, as each of up to 76 numbers a frame would get a line of its own in the JSON. 500
        # frames of 19 classes take about 200 KB.
        lines = {
            name: " ".join(
                f"{index}:{','.join(map(str, column))}" for index, column in enumerate(frame.T.tolist()) if any(column)
            )
            for name, frame in zip(self.names, self.counts, strict=True)
        }
        return {"form": _FORM, "frames": lines}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], num_classes: int) -> "FrameCounts":
        """Read ``to_dict`` back; a ValueError, LookupError or AttributeError if it is not one."""
        if data["form"] != _FORM:
            raise ValueError(f"frame counts have the form {data['form']!r}; expected {_FORM!r}")
        lines: Mapping[str, str] = data["frames"]
        counts = np.zeros((len(lines), len(FIELDS), num_classes), dtype=np.int64)
        for frame, line in zip(counts, lines.values(), strict=True):
            for entry in line.split():
                index, _, values = entry.partition(":")
                true_positive, target, pred, void = map(int, values.split(","))
                frame[:, int(index)] = true_positive, target, pred, void
        return cls(tuple(lines), counts)


def require_distinct(names: Sequence[str]) -> None:
    """Raise ValueError for names that occur twice."""
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"frames must have names of their own; repeated: {repeated[:8]}")
