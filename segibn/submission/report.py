"""What a check found: faults by kind, doubts, scores; as text and as JSON."""

from dataclasses import dataclass, field
from typing import Any

from segibn.evaluation.drivable import DrivableScores
from segibn.evaluation.scores import Scores
from segibn.submission.expected import SHOWN, Expected
from segibn.submission.format import Format
from segibn.text import counted, listed, printable

_KEPT = 20  # names of a kind of fault; the rest is counted


@dataclass
class Fault:
    """One kind of fault: how many files or frames have it, and the first of them."""

    what: str
    count: int = 0
    names: list[str] = field(default_factory=list)


class Findings:
    """Collects faults by kind; memory does not grow with the number of names."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def add(self, what: str, name: str, count: int = 1) -> None:
        """Note a file or frame. ``what`` is a plural, such as "frames without a map"."""
        fault = self._faults.setdefault(what, Fault(what))
        fault.count += count
        if len(fault.names) < _KEPT:
            fault.names.append(name)

    @property
    def faults(self) -> list[Fault]:
        """In the order in which their kinds were met."""
        return list(self._faults.values())


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        path: of the file, for messages.
        form: what it was held against.
        expected: the frames it must hold.
        num_maps: label maps that were read without a fault.
        faults: what the benchmark would refuse or score as wrong without a word.
        notes: what it would accept, but was perhaps not meant; and why there are no scores.
        scores: against local labels, if there were any.
    """

    path: str
    form: Format
    expected: Expected
    num_maps: int
    faults: list[Fault]
    notes: list[str]
    scores: Scores | DrivableScores | None = None

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
            "faults": [
                {"what": fault.what, "count": fault.count, "first": fault.names}
                for fault in self.faults
            ],
            "notes": self.notes,
            "scores": None if self.scores is None else self.scores.to_dict(),
        }
