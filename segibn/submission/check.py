"""Read a submission back as the benchmark would, and list everything that is wrong with it.

In: a zip of label maps or a run-length JSON, a ``Format``, the frames it must hold. Out: a
``Report``. The file is treated as one that a stranger made: see ``segibn.files.archives``. Maps are
decoded by a few threads, one at a time each, so memory does not grow with their number. No torch.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from segibn.errors import SegibnError, SubmissionError
from segibn.files import ForeignZip, ZipLimits, ZipMember, examine_label_png
from segibn.files.pool import map_in_threads
from segibn.submission.doubts import doubts_about
from segibn.submission.entry import Entry, Load
from segibn.submission.expected import Expected
from segibn.submission.format import Format, Size
from segibn.submission.report import Findings, Report
from segibn.submission.rle_json import rle_entries
from segibn.submission.score import LocalScorer

Progress = Callable[[int, int], None]
"""Called after each map with (maps done, maps in all)."""

_MAX_THREADS = 8
_MAX_MEMBERS = 100_000
_MAX_DIRECTORY_BYTES = 1 << 26
_EXACT_IN_FLOAT32 = 1 << 24
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Examined:
    """One map: what is wrong with it, and what was counted on it if nothing is."""

    faults: tuple[tuple[str, str], ...]
    """Pairs of a fault and what is to follow the file's name."""
    pixels: NDArray[np.int64] | None = None
    counts: NDArray[np.int64] | None = None
    size: Size = (0, 0)


def check_submission(
    path: Path,
    form: Format,
    expected: Expected,
    *,
    scorer: LocalScorer | None = None,
    is_rle: bool | None = None,
    shown_as: str = "",
    progress: Progress | None = None,
) -> Report:
    """Check a submission.

    Args:
        path: the zip or JSON file.
        form: the benchmark's format.
        expected: the frames that must be in it.
        scorer: of local labels; None scores nothing.
        is_rle: whether it is run-length JSON; None = by the suffix ``.json``.
        shown_as: name of the file in messages; ``path`` when empty.
        progress: see ``Progress``.

    Raises:
        SubmissionError: the file is no archive or JSON at all, or so large that it is not read.
        SegibnError: a local label map cannot be read.
    """
    path = Path(path)
    findings = Findings()
    with ExitStack() as stack:
        if path.suffix.lower() == ".json" if is_rle is None else is_rle:
            if not form.has_rle:
                raise SubmissionError(f"{path}: {form.title} takes a zip of PNGs, not a JSON file")
            entries = rle_entries(path, form, expected, findings)
        else:
            archive = stack.enter_context(_open(path, expected))
            entries = _zip_entries(archive, form, expected, findings)
        entries = _known_entries(entries, form, expected, findings)
        good, pixels = _read_maps(entries, form, scorer, findings, progress)
    scores, why_not = (None, "") if scorer is None else scorer.result()
    doubts = [why_not, "" if scores is None else scores.doubt]
    notes = doubts_about(form, pixels) + [doubt for doubt in doubts if doubt]
    shown = shown_as or str(path)
    return Report(shown, form, expected, good, findings.faults, notes, scores)


def _read_maps(
    entries: list[Entry],
    form: Format,
    scorer: LocalScorer | None,
    findings: Findings,
    progress: Progress | None,
) -> tuple[int, NDArray[np.int64]]:
    """Decode every map; returns how many are good and their pixels of each value, (256,)."""
    good, pixels = 0, np.zeros(256, np.int64)
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    examined = map_in_threads(lambda entry: _examine(entry, form, scorer), entries, threads)
    for done, (entry, result) in enumerate(examined, start=1):
        for what, remark in result.faults:
            findings.add(what, entry.name + remark)
        if result.faults:
            if scorer is not None:
                scorer.exclude(entry.key)
        else:
            good += 1
            pixels += result.pixels
            if scorer is not None and result.counts is not None:
                scorer.add(entry.key, result.counts, result.size)
        if progress is not None:
            progress(done, len(entries))
    return good, pixels


def _open(path: Path, expected: Expected) -> ForeignZip:
    """Open an archive with limits that no submission of these frames needs to exceed."""
    area = max(
        (height * width for height, width in (expected.sizes or {}).values()),
        default=expected.default_size[0] * expected.default_size[1],
    )
    per_map = 8 * area + (1 << 16)  # even 16-bit RGBA, uncompressed, is to be told as such
    limits = ZipLimits(
        members=max(_MAX_MEMBERS, 4 * expected.num_frames),
        member_bytes=per_map,
        total_bytes=per_map * (expected.num_frames + 1000),
        directory_bytes=_MAX_DIRECTORY_BYTES,
    )
    try:
        return ForeignZip(path, limits)
    except SegibnError as error:
        raise SubmissionError(str(error)) from error


def _zip_entries(
    archive: ForeignZip, form: Format, expected: Expected, findings: Findings
) -> Iterator[Entry]:
    """Yield the maps of an archive; what is none, or must not be read, becomes a finding."""
    folders: dict[str, str] = {}
    for member in archive.members:
        if member.fault:
            findings.add(f"members that {member.fault}", member.name)
            continue
        if "__MACOSX" in member.name or member.base_name == ".DS_Store":
            findings.add("files that macOS adds to zips (leave them out)", member.name)
            continue
        folders.setdefault(str(PurePosixPath(member.name).parent), member.name)
        key = form.key_of_member(member.base_name)
        if key is None:
            findings.add(f"files not named {form.member.format(key='<id>')}", member.name)
            continue
        yield Entry(member.name, key, _loader(archive, member, expected.size_of(key)))
    if form.one_folder and len(folders) > 1:
        for name in folders.values():
            findings.add("folders with maps (they must lie in one)", name)


def _loader(archive: ForeignZip, member: ZipMember, size: Size | None) -> Load:
    def load() -> tuple[list[str], np.ndarray | None]:
        try:
            data = archive.read(member)
        except SegibnError:
            return ["damaged members (size or checksum is wrong)"], None
        assert size is not None  # entries of other frames are never loaded
        return examine_label_png(data, size)

    return load


def _known_entries(
    entries: Iterable[Entry], form: Format, expected: Expected, findings: Findings
) -> list[Entry]:
    """Return the entries of expected frames; note frames with none, several, or too many."""
    known: list[Entry] = []
    by_key: dict[str, int] = {}
    for entry in entries:
        if expected.size_of(entry.key) is None:
            findings.add("maps of frames that were not asked for", entry.name)
            continue
        if entry.key in by_key:  # where an evaluator does not stop, the later one counts
            findings.add("maps of a frame that has one already", entry.name)
            before = by_key[entry.key]
            known[before] = replace(known[before], is_counted=False)
        by_key[entry.key] = len(known)
        known.append(entry)
    if expected.sizes is not None:
        for key in expected.sizes:
            if key not in by_key:
                findings.add("frames without a map", key)
    elif len(by_key) < expected.num_frames:
        missing = expected.num_frames - len(by_key)
        findings.add("frames without a map", "(--ids or --images tells which)", missing)
    elif len(by_key) > expected.num_frames:
        for position in list(by_key.values())[expected.num_frames :]:
            what = f"maps more than the {expected.num_frames} of the test set"
            findings.add(what, known[position].name)
    return known


def _examine(entry: Entry, form: Format, scorer: LocalScorer | None) -> _Examined:
    found, values = entry.load()
    faults = [(what, "") for what in found]
    if values is None:
        return _Examined(tuple(faults))
    pixels = _pixels_per_value(values)
    unknown = np.flatnonzero((pixels > 0) & ~form.knows)
    if unknown.size:
        listed = ", ".join(map(str, unknown[:8])) + (", ..." if unknown.size > 8 else "")
        faults.append((f"maps with values outside {_ranges(form.knows)}", f" ({listed})"))
    if faults:
        return _Examined(tuple(faults))
    is_scored = scorer is not None and entry.is_counted
    counts = scorer.count(entry.key, values) if is_scored else None
    return _Examined((), pixels, counts, values.shape)


def _pixels_per_value(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    if values.size > _EXACT_IN_FLOAT32:
        return np.bincount(values.ravel(), minlength=256)
    counts = cv2.calcHist([values], [0], None, [256], [0, 256])  # faster, but float32
    return counts.ravel().astype(np.int64)


def _ranges(known: NDArray[np.bool_]) -> str:
    """Write the set of known values as ranges: 0..18, 255."""
    values = np.flatnonzero(known)
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
