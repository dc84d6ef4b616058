"""Every file of a split looked at with all cores: what there is, and all that is wrong with it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.frame import Size
from segibn.data.samples import Orphan, Pairing, SamplePaths
from segibn.errors import SegibnError
from segibn.files.pictures import Picture, read_label_map
from segibn.files.pool import map_in_processes
from segibn.labels.label_set import LabelSet
from segibn.text import counted

_CHUNK = 4


@dataclass(frozen=True)
class SampleFacts:
    """What one sample's files are like; a size is (H, W), None where the file cannot be read."""

    name: str
    image_size: Size | None
    target_size: Size | None
    values: dict[int, int]  # label value -> number of pixels
    errors: tuple[str, ...]
    is_turned: bool = False  # whether the image has an EXIF orientation, which is applied


@dataclass
class SplitReport:
    """What a split's files are like, and what is wrong with them."""

    dataset: str
    split: str
    samples: int = 0
    official_count: int | None = None
    orphans: list[Orphan] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    size_mismatches: list[str] = field(default_factory=list)
    image_sizes: Counter[Size] = field(default_factory=Counter)  # (H, W) -> number of images
    values: Counter[int] = field(default_factory=Counter)
    """Label value -> number of pixels over all label maps."""
    value_names: dict[int, str] = field(default_factory=dict)
    """Label value -> its row's name; values outside the table are not in it."""
    unknown_in: dict[int, str] = field(default_factory=dict)
    """Label value outside the table -> the first sample that has it."""
    encoding: str = ""  # verdict on drivable maps
    problems: list[str] = field(default_factory=list)  # mistakes that concern the split as a whole
    notes: list[str] = field(default_factory=list)  # facts that are no mistake
    passed_over: list[str] = field(default_factory=list)
    """Files and folders that are not listed, and why; no mistake."""
    turned: list[str] = field(default_factory=list)  # images that have an EXIF orientation
    facts: list[SampleFacts] = field(default_factory=list)  # of every sample
    pairing: Pairing | None = None
    label_set: LabelSet | None = None

    @property
    def ok(self) -> bool:
        """Whether the split can be trained or scored on as it is."""
        faults = (self.orphans, self.unreadable, self.size_mismatches, self.unknown_in)
        return not any((*faults, self.problems))

    def faults(self) -> list[str]:
        """Return what is wrong, a line for each file or mistake."""
        orphans = [f"{one.path} has no {one.partner}" for one in self.orphans]
        unknown = [f"value {v} is not in the label table, first in {name}" for v, name in self.unknown_in.items()]
        return [*self.problems, *orphans, *self.unreadable, *self.size_mismatches, *unknown]

    def add(self, facts: SampleFacts) -> None:
        """Count one sample in."""
        self.facts.append(facts)
        self.unreadable.extend(facts.errors)
        size, target_size = facts.image_size, facts.target_size
        if size is not None:
            self.image_sizes[size] += 1
            if target_size not in (None, size):
                sizes = f"image {_size_text(size)}, label map {_size_text(target_size)}"
                self.size_mismatches.append(f"{facts.name}: {sizes}")
        if facts.is_turned:
            self.turned.append(facts.name)
        self.values.update(facts.values)
        for value in facts.values.keys() - self.value_names.keys():
            self.unknown_in.setdefault(value, facts.name)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON; shares are fractions of all label pixels."""
        total = max(1, self.values.total())
        return {
            "dataset": self.dataset,
            "split": self.split,
            "ok": self.ok,
            "samples": self.samples,
            "official_count": self.official_count,
            "missing_partners": [{"name": o.name, "file": str(o.path), "partner": o.partner} for o in self.orphans],
            "unreadable": self.unreadable,
            "size_mismatches": self.size_mismatches,
            "image_sizes": {_size_text(s): n for s, n in self.image_sizes.most_common()},
            "values": {
                str(v): {"name": self.value_names.get(v), "pixels": n, "share": n / total}
                for v, n in sorted(self.values.items())
            },
            "unknown_values": {str(v): name for v, name in sorted(self.unknown_in.items())},
            "encoding": self.encoding,
            "problems": self.problems,
            "notes": self.notes,
            "passed_over": self.passed_over,
        }


def check_split(
    dataset: str,
    split: str,
    pairing: Pairing,
    label_set: LabelSet | None,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> SplitReport:
    """Decode every file of a split in ``jobs`` processes; no ``label_set``: no label maps."""
    samples = pairing.samples
    orphans = list(pairing.orphans)
    report = SplitReport(dataset, split, len(samples), pairing.official_count, orphans)
    report.pairing, report.label_set = pairing, label_set
    if label_set is not None:
        rows = (row for row in label_set.labels if row.label_id >= 0)
        report.value_names = {row.label_id: row.name for row in rows}
    if not samples:
        report.problems.append("the split is empty")
    if pairing.partial_note:
        report.notes.append(pairing.partial_note)
    read = partial(read_facts, label_set=label_set)
    jobs = jobs if len(samples) >= 2 * _CHUNK else 1
    found = map_in_processes(read, samples, jobs, _CHUNK, "checking the files")
    for done, facts in enumerate(found, start=1):
        report.add(facts)
        if progress is not None:
            progress(done, len(samples))
    if report.turned:
        count = counted(len(report.turned), "image")
        report.notes.append(
            f"{count} (first {report.turned[0]}) turned upright by an EXIF orientation; the label "
            "maps must be upright too"
        )
    return report


def read_facts(sample: SamplePaths, label_set: LabelSet | None = None) -> SampleFacts:
    """Decode one sample's files; what cannot be read becomes a message, not an exception."""
    errors: list[str] = []
    image = _attempt(Picture, sample.image, errors)
    pixels = None if image is None else _attempt(lambda _: image.image(), sample.image, errors)
    target = None
    if sample.target is not None:
        read = read_label_map if label_set is None else label_set.read
        target = _attempt(read, sample.target, errors)
    values: dict[int, int] = {}
    if target is not None:
        counts = np.bincount(target.ravel(), minlength=256)
        values = {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    return SampleFacts(
        sample.name,
        None if pixels is None else pixels.shape[:2],
        None if target is None else target.shape,
        values,
        tuple(errors),
        image is not None and image.orientation != 1,
    )


def _attempt(read: Callable[[Path], Any], path: Path, errors: list[str]) -> Any:
    try:
        return read(path)
    except SegibnError as error:
        errors.append(str(error))
        return None


def _size_text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
