"""Data room: look at every file of a data set, with all cores, and say what is wrong.

In: the pairing of a split and its label set. Out: a `SplitReport` with counts, missing partners,
unreadable files, sizes, and the values in the label maps with their share of pixels. Unlike the
road to training, which stops at the first mistake, this collects all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from segibn.data.samples import Orphan, Pairing, SamplePaths
from segibn.errors import SegibnError
from segibn.files import Picture, read_label_map
from segibn.files.pool import map_in_processes
from segibn.labels.label_set import LabelSet
from segibn.text import counted

Size = tuple[int, int]
T = TypeVar("T")
_CHUNK = 4


@dataclass(frozen=True)
class SampleFacts:
    """What one sample's files are like.

    Attributes:
        name: of the sample.
        image_size: (H, W) of the image, None if it cannot be read.
        target_size: (H, W) of the label map, None if there is none or it cannot be read.
        values: label value -> number of pixels.
        errors: messages, each naming its file.
        is_turned: whether the image has an EXIF orientation, which is applied.
    """

    name: str
    image_size: Size | None
    target_size: Size | None
    values: dict[int, int]
    errors: tuple[str, ...]
    is_turned: bool = False


@dataclass
class SplitReport:
    """What a split's files are like, and what is wrong with them.

    Attributes:
        dataset: name of the data set.
        split: name of the split.
        samples: number of complete samples.
        official_count: frames in the official split, where known.
        orphans: files without a partner.
        unreadable: messages about files that cannot be decoded.
        size_mismatches: image and label map of different sizes, as text.
        image_sizes: (H, W) -> number of images.
        values: label value -> number of pixels over all label maps.
        value_names: label value -> its row's name; values outside the table are not in it.
        unknown_in: label value outside the table -> the first sample that has it.
        encoding: verdict on drivable maps, '' elsewhere.
        problems: mistakes that concern the split as a whole.
        notes: facts that are no mistake.
        passed_over: files and folders that are not listed, and why; no mistake.
        turned: the first image that has an EXIF orientation, and how many there are.
    """

    dataset: str
    split: str
    samples: int = 0
    official_count: int | None = None
    orphans: list[Orphan] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    size_mismatches: list[str] = field(default_factory=list)
    image_sizes: Counter[Size] = field(default_factory=Counter)
    values: Counter[int] = field(default_factory=Counter)
    value_names: dict[int, str] = field(default_factory=dict)
    unknown_in: dict[int, str] = field(default_factory=dict)
    encoding: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    turned: tuple[str, int] = ("", 0)

    @property
    def ok(self) -> bool:
        """Whether the split can be trained or scored on as it is."""
        return not (
            self.orphans
            or self.unreadable
            or self.size_mismatches
            or self.unknown_in
            or self.problems
        )

    def add(self, facts: SampleFacts) -> None:
        """Count one sample in."""
        self.unreadable.extend(facts.errors)
        if facts.image_size is not None:
            self.image_sizes[facts.image_size] += 1
        if facts.target_size not in (None, facts.image_size) and facts.image_size is not None:
            self.size_mismatches.append(
                f"{facts.name}: image {_size_text(facts.image_size)}, "
                f"label map {_size_text(facts.target_size)}"
            )
        if facts.is_turned:
            self.turned = (self.turned[0] or facts.name, self.turned[1] + 1)
        for value, pixels in facts.values.items():
            self.values[value] += pixels
            if value not in self.value_names:
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
            "missing_partners": [
                {"name": o.name, "file": str(o.path), "partner": o.partner} for o in self.orphans
            ],
            "unreadable": self.unreadable,
            "size_mismatches": self.size_mismatches,
            "image_sizes": {_size_text(s): n for s, n in self.image_sizes.most_common()},
            "values": {
                str(value): {
                    "name": self.value_names.get(value),
                    "pixels": pixels,
                    "share": pixels / total,
                }
                for value, pixels in sorted(self.values.items())
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
    """Decode every file of a split and report.

    Args:
        dataset: name, for the report.
        split: name, for the report.
        pairing: from the index module's ``find``.
        label_set: which label values are known; None for a split without label maps.
        jobs: processes that decode; 1 stays in this one.
        progress: called with (done, total) after each sample.
    """
    report = SplitReport(dataset, split, len(pairing.samples), pairing.official_count)
    report.orphans = list(pairing.orphans)
    if label_set is not None:
        report.value_names = {
            row.label_id: row.name for row in label_set.labels if row.label_id >= 0
        }
    if not pairing.samples:
        report.problems.append("the split is empty")
    if note := pairing.partial_note:
        report.notes.append(note)
    for done, facts in enumerate(_all_facts(pairing.samples, label_set, jobs), start=1):
        report.add(facts)
        if progress is not None:
            progress(done, len(pairing.samples))
    name, count = report.turned
    if count:
        report.notes.append(
            f"{counted(count, 'image')} (first {name}) turned upright by an EXIF orientation; the "
            "label maps must be upright too"
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


def _attempt(read: Callable[[Path], T], path: Path, errors: list[str]) -> T | None:
    try:
        return read(path)
    except SegibnError as error:
        errors.append(str(error))
        return None


def _all_facts(
    samples: Sequence[SamplePaths], label_set: LabelSet | None, jobs: int
) -> Iterator[SampleFacts]:
    """The facts of every sample in order, from this process or from several."""
    look = partial(read_facts, label_set=label_set)
    jobs = jobs if len(samples) >= 2 * _CHUNK else 1
    return map_in_processes(look, samples, jobs, _CHUNK, "checking the files")


def _size_text(size: Size | None) -> str:
    return "unreadable" if size is None else f"{size[0]}x{size[1]}"
