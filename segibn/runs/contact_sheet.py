"""A checked data set as a page to look at: which frames are shown, and what is odd about them."""

import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from segibn.data.check import SampleFacts, SplitReport
from segibn.errors import SegibnError
from segibn.files.pictures import read_image
from segibn.files.writing import write_text
from segibn.labels.drawing import overlay
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.report.contact_sheet import SheetFrame, SheetPart, build_sheet

_EVEN, _ODD = 12, 6  # frames that are shown
_WIDTH = 480  # of a picture
_UNLABELLED = 0.8  # of a frame, from which it is odd
_UNLIKE = 0.6  # of its pixels are of other classes than usual


def write_sheet(path: Path, reports: Sequence[SplitReport], title: str) -> None:
    """Write the page of data sets that were checked."""
    write_text(path, build_sheet([_part(report) for report in reports], title))


def _part(report: SplitReport) -> SheetPart:
    table, faults = report.label_set, report.faults()
    shown = _choose(report.facts, table, report.image_sizes)
    samples = {sample.name: sample for sample in report.pairing.samples} if report.pairing else {}
    frames = []
    for facts, odd in shown:
        with suppress(SegibnError):  # what cannot be read stands among the faults
            sample = samples[facts.name]
            image = read_image(sample.image)
            if table is not None and sample.target is not None:
                ids = table.to_train_ids(table.read(sample.target), sample.target)
                image = overlay(image, ids, table.palette, 0.5) if ids.shape == image.shape[:2] else image
            size = "x".join(map(str, facts.image_size or ()))
            frames.append(SheetFrame(facts.name, as_jpeg(image), odd or size, bool(odd)))
    return SheetPart(
        f"{report.dataset}:{report.split}",
        report.samples,
        [("x".join(map(str, size)), n) for size, n in report.image_sizes.most_common(8)],
        [] if table is None else _classes(report, table),
        faults,
        report.notes,
        frames,
    )


def _classes(report: SplitReport, table: LabelSet) -> list[tuple[str, tuple[int, int, int], float, int]]:
    pixels, frames = Counter[int](), Counter[int]()
    for facts in report.facts:
        own = Counter[int]()
        for value, count in facts.values.items():
            own[int(table.lookup[value])] += count
        pixels.update(own)
        frames.update(own.keys())
    total = max(1, sum(count for key, count in pixels.items() if 0 <= key < table.num_classes))
    rows = [(info.name, info.color, pixels[key] / total, frames[key]) for key, info in enumerate(table.classes)]
    return sorted(rows, key=lambda row: -row[2])


def _choose(
    facts: Sequence[SampleFacts], table: LabelSet | None, sizes: Counter[tuple[int, int]]
) -> list[tuple[SampleFacts, str]]:
    """The odd ones, with what is odd, then others evenly over the set."""
    if not facts:
        return []
    usual = sizes.most_common(1)[0][0] if sizes else None
    odd: list[tuple[SampleFacts, str]] = []
    shares = np.zeros((len(facts), 257))
    for place, one in enumerate(facts):
        for value, count in one.values.items():
            key = IGNORE_INDEX if table is None else int(table.lookup[value])
            shares[place, key if key >= 0 else 256] += count
    shares /= np.maximum(shares.sum(1, keepdims=True), 1)
    distance = np.abs(shares - shares.mean(0)).sum(1) / 2
    for place in np.argsort(-distance, kind="stable").tolist():
        one, reason = facts[place], ""
        if one.image_size not in (None, usual):
            reason = "of another size, " + "x".join(map(str, one.image_size or ()))
        elif one.values and shares[place].max() == 1:
            reason = "one class everywhere"
        elif shares[place, IGNORE_INDEX] > _UNLABELLED:
            reason = f"{shares[place, IGNORE_INDEX]:.0%} unlabelled"
        elif distance[place] > _UNLIKE:
            reason = "classes unlike the other frames'"
        if reason and len(odd) < _ODD:
            odd.append((one, reason))
    taken = {one.name for one, _ in odd}
    rest = [one for one in facts if one.name not in taken]
    even = np.unique(np.linspace(0, len(rest) - 1, min(_EVEN, len(rest))).astype(int)) if rest else []
    return [*odd, *((rest[place], "") for place in even)]


def as_jpeg(image: np.ndarray) -> bytes:
    """Pack a picture (H, W, 3) uint8 RGB for a page, at most 480 wide."""
    height, width = image.shape[:2]
    if width > _WIDTH:
        image = cv2.resize(image, (_WIDTH, max(1, round(height * _WIDTH / width))), interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
