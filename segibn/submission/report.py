"""What a check found: faults by kind, doubts, scores; as text and as JSON."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from segibn.evaluation.drivable import DrivableScores
from segibn.evaluation.scores import Scores
from segibn.submission.expected import SHOWN, Expected
from segibn.submission.formats import Format
from segibn.text import counted, listed, printable

_KEPT = 20  # names of a kind of fault; the rest is counted
_LAST_TRAIN_ID = 18


class Entry(NamedTuple):
    """One label map in a file."""

    name: str  # in the file, for messages
    key: str
    # Returns faults (plurals that name no file) and (H, W) uint8 values, None if unreadable.
    load: Callable[[], tuple[list[str], np.ndarray | None]]


@dataclass
class Fault:
    """One kind of fault: how many files or frames have it, and the first of them."""

    what: str
    count: int = 0
    names: list[str] = field(default_factory=list)


class Findings(dict[str, Fault]):
    """Faults by kind, in the order in which these were met; few names of each are kept."""

    def add(self, what: str, name: str, count: int = 1) -> None:
        """Note a file or frame; ``what`` is a plural, such as "frames without a map"."""
        fault = self.setdefault(what, Fault(what))
        fault.count += count
        if len(fault.names) < _KEPT:
            fault.names.append(name)


@dataclass(frozen=True)
class Report:
    """The result of a check."""

    path: str
    form: Format
    expected: Expected
    num_maps: int  # read without a fault
    faults: list[Fault]  # what the benchmark would refuse or score as wrong without a word
    notes: list[str]  # what it would accept, perhaps not meant; and why there are no scores
    scores: Scores | DrivableScores | None = None  # against local labels, if there were any

    @property
    def is_valid(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def format_text(self) -> str:
        """Return the verdict, a line for each kind of fault, the notes and the scores."""
        verdict = "a valid" if self.is_valid else "not a valid"
        lines = [
            f"{printable(self.path)}: {verdict} submission for {self.form.title}: "
            f"{counted(self.num_maps, 'good map')}, {counted(self.expected.num_frames, 'frame')} "
            f"in {printable(self.expected.source)}"
        ]
        for fault in self.faults:
            what = f"{fault.count} {fault.what}" if fault.count > 1 else f"{fault.what} (1)"
            lines.append(f"  {what}: {listed(fault.names, SHOWN, fault.count)}")
        lines += [f"  note: {note}" for note in self.notes]
        if self.scores is not None:
            lines += ["", self.scores.format_table()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; of each kind of fault the first names only."""
        return {
            "file": self.path,
            "format": self.form.name,
            "valid": self.is_valid,
            "good_maps": self.num_maps,
            "expected": {"frames": self.expected.num_frames, "source": self.expected.source},
            "faults": [{"what": fault.what, "count": fault.count, "first": fault.names} for fault in self.faults],
            "notes": self.notes,
            "scores": None if self.scores is None else self.scores.to_dict(),
        }


def doubts_about(form: Format, pixels: np.ndarray) -> list[str]:
    """List values that a benchmark accepts and that were perhaps not meant."""
    total, notes = int(pixels.sum()), []
    if not total:
        return []
    if form.is_drivable:
        background = int(form.labels.inverse[0])
        if int(np.argmax(pixels)) != background:
            shares = ", ".join(f"{v}: {100 * n / total:.1f} %" for v, n in enumerate(pixels[:3]))
            notes.append(
                f"the file holds the values {shares}, but background, usually the largest part, is "
                f"{background} here: is it another release's encoding?"
            )
    elif form.targets == "label_ids" and not pixels[_LAST_TRAIN_ID + 1 :].any():
        notes.append(
            f"no value is above {_LAST_TRAIN_ID}: are these train ids? The benchmark takes label "
            "ids (7 road ... 33 bicycle)"
        )
    if void := int(pixels[form.is_void].sum()):
        share = 100 * void / total
        notes.append(f"{share:.2f} % of the pixels are predicted void, which is always wrong")
    return notes
