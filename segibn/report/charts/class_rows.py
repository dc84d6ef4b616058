"""Per-class results of one evaluation, as the bars show them: scores in, rows out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from segibn.evaluation.metrics import averaged_classes
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Scores

Color = tuple[int, int, int]
GREY: Color = (128, 128, 128)

_RESAMPLES = 2_000


@dataclass(frozen=True)
class ClassRow:
    """One class; fractions, None where undefined.

    Attributes:
        name: of the class.
        train_id: its index.
        color: RGB of the palette.
        iou: intersection over union.
        low: lower bound of the interval, None without one.
        high: upper bound.
        pixel_share: of the truth's pixels that are of the class; 0 = absent from the truth.
        averaged: whether it enters the mean.
    """

    name: str
    train_id: int
    color: Color
    iou: float | None
    low: float | None = None
    high: float | None = None
    pixel_share: float = 0.0
    averaged: bool = True


@dataclass(frozen=True)
class ClassResults:
    """The classes of one evaluation.

    Attributes:
        title: of the run.
        rows: in train id order.
        miou: mean IoU, None where undefined.
        low: bound of its interval, None without one.
        high: likewise.
        interval: what the intervals are, for the note; empty without.
    """

    title: str
    rows: tuple[ClassRow, ...]
    miou: float | None
    low: float | None = None
    high: float | None = None
    interval: str = ""


def class_results(
    title: str,
    scores: Scores,
    palette: Sequence[Color] = (),
    how: Resampling | None = None,
) -> ClassResults:
    """Derive the rows, with bootstrap intervals where the counts of single frames were kept.

    Args:
        title: of the run.
        scores: of the evaluation.
        palette: K colours in train id order; grey where there are too few.
        how: intervals; None = 95 %, 2,000 resamples.
    """
    how = how or Resampling(resamples=_RESAMPLES)
    k = len(scores.class_names)
    bounds, miou_bounds, said = np.full((2, k), np.nan), np.full(2, np.nan), ""
    frames = scores.frame_counts
    if frames is not None and len(frames.names) > 1:
        found = bootstrap_intervals(frames.counts, scores.conditions.policy, how)
        bounds, miou_bounds = found.iou, found.miou
        said = (
            f"{100 * how.level:g} % intervals: bootstrap over {len(frames.names):,} frames, "
            f"{how.resamples:,} resamples"
        )
    pixels = scores.confusion.sum(axis=1)
    total = max(int(pixels.sum()), 1)
    averaged = averaged_classes(scores.confusion, scores.conditions.policy)
    rows = tuple(
        ClassRow(
            name=name,
            train_id=index,
            color=_color(palette, index),
            iou=_defined(scores.iou[index]),
            low=_defined(bounds[0, index]),
            high=_defined(bounds[1, index]),
            pixel_share=int(pixels[index]) / total,
            averaged=bool(averaged[index]),
        )
        for index, name in enumerate(scores.class_names)
    )
    low, high = map(_defined, miou_bounds)
    return ClassResults(title, rows, _defined(scores.miou), low, high, said)


def boundary_results(
    title: str, scores: Scores, palette: Sequence[Color] = ()
) -> ClassResults | None:
    """Return the boundary IoU of each class beside ``class_results``, where it was measured.

    Args:
        title: of the bars, for example "boundary IoU".
        scores: of the evaluation, with "boundary" among their details.
        palette: see ``class_results``.

    Returns:
        Rows without intervals; None where boundaries were not measured.
    """
    measured = scores.details.get("boundary")
    if measured is None:
        return None
    whole = class_results(title, replace(scores, frame_counts=None), palette)
    found = measured["boundary_iou"]
    rows = tuple(
        replace(row, iou=found.get(row.name), averaged=found.get(row.name) is not None)
        for row in whole.rows
    )
    return ClassResults(title, rows, measured["boundary_miou"])


def _color(palette: Sequence[Color], index: int) -> Color:
    if index >= len(palette):
        return GREY
    red, green, blue = palette[index]
    return int(red), int(green), int(blue)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
