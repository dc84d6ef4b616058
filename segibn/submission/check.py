"""Read anybody's submission back as the benchmark would, and list everything that is wrong."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from segibn.errors import SubmissionError
from segibn.evaluation.file_scores import Progress
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import value_ranges
from segibn.submission.expected import Expected
from segibn.submission.formats import Format
from segibn.submission.report import Entry, Findings, Report, doubts_about
from segibn.submission.rle_maps import rle_entries
from segibn.submission.score import local_targets, score_locally
from segibn.submission.zip_maps import open_zip, zip_entries
from segibn.text import listed

_EXACT_IN_FLOAT32 = 1 << 24


def check_submission(
    path: Path,
    form: Format,
    expected: Expected,
    *,
    labels: Path | None = None,
    target_encoding: str = "auto",
    shown_as: str = "",
    progress: Progress | None = None,
) -> Report:
    """Check a zip, or run-length JSON (``.json``); SubmissionError where it is neither, or huge.

    Its maps are scored against those in the folder ``labels`` and its subfolders, which may have
    labels of other frames too; DatasetError if it has none of these.
    """
    path, findings = Path(path), Findings()
    targets = None if labels is None else local_targets(form, labels, expected)
    with ExitStack() as stack:
        if path.suffix.lower() == ".json":
            if not form.has_rle:
                raise SubmissionError(f"{path}: {form.title} takes a zip of PNGs, not a JSON file")
            entries = rle_entries(path, form, expected, findings)
        else:
            archive = stack.enter_context(open_zip(path, expected))
            entries = zip_entries(archive, form, expected, findings)
        known = _known_entries(entries, expected, findings)
        good, pixels, faulty = _read_maps(known, form, findings, progress)
        scores, remark = None, ""
        if labels is not None and targets is not None:
            # Where an evaluator does not stop at two maps of a frame, the later one counts.
            maps = {entry.key: entry for entry in known}
            scores, remark = score_locally(form, labels, targets, maps, faulty, target_encoding)
    doubts = [remark, "" if scores is None else scores.doubt]
    notes = doubts_about(form, pixels) + [doubt for doubt in doubts if doubt]
    return Report(shown_as or str(path), form, expected, good, list(findings.values()), notes, scores)


def _known_entries(entries: Iterable[Entry], expected: Expected, findings: Findings) -> list[Entry]:
    """Return the entries of expected frames; note frames with none, several, or too many."""
    known: list[Entry] = []
    by_key: dict[str, Entry] = {}
    for entry in entries:
        if expected.size_of(entry.key) is None:
            findings.add("maps of frames that were not asked for", entry.name)
            continue
        if entry.key in by_key:
            findings.add("maps of a frame that has one already", entry.name)
        known.append(entry)
        by_key[entry.key] = entry
    if expected.sizes is not None:
        for key in expected.sizes:
            if key not in by_key:
                findings.add("frames without a map", key)
    elif (missing := expected.num_frames - len(by_key)) > 0:
        findings.add("frames without a map", "(--ids or --images tells which)", missing)
    for entry in list(by_key.values())[expected.num_frames :]:
        findings.add(f"maps more than the {expected.num_frames} of the test set", entry.name)
    return known


def _read_maps(
    entries: list[Entry], form: Format, findings: Findings, progress: Progress | None
) -> tuple[int, NDArray[np.int64], set[str]]:
    """Decode every map; returns how many are good, (256,) their pixels by value, faulty keys."""
    good, pixels, faulty = 0, np.zeros(256, np.int64), set[str]()
    examined = map_in_threads(lambda entry: _examine(entry, form), entries)
    for done, (entry, (faults, found)) in enumerate(examined, start=1):
        for what, remark in faults:
            findings.add(what, entry.name + remark)
        if faults:
            faulty.add(entry.key)
        else:
            good += 1
            pixels += found
        if progress is not None:
            progress(done, len(entries))
    return good, pixels, faulty


def _examine(entry: Entry, form: Format) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
    """Return the faults, each with what is to follow the file's name, and (256,) the pixels."""
    found, values = entry.load()
    faults, pixels = [(what, "") for what in found], np.zeros(256, np.int64)
    if values is not None:
        if values.size > _EXACT_IN_FLOAT32:
            pixels = np.bincount(values.ravel(), minlength=256)
        else:  # faster, but float32
            pixels = cv2.calcHist([values], [0], None, [256], [0, 256]).ravel().astype(np.int64)
        unknown = np.flatnonzero((pixels > 0) & ~form.knows)
        if unknown.size:
            what = f"maps with values outside {value_ranges(np.flatnonzero(form.knows), '..')}"
            faults.append((what, f" ({listed(unknown, 8)})"))
    return faults, pixels
