"""IoU of each class with its interval: scores in, rows and a table of bars out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Scores
from segibn.report.content import Color
from segibn.report.templates import percent, render

GREY: Color = (128, 128, 128)
_INTERVALS = Resampling(resamples=2_000)


@dataclass(frozen=True)
class ClassRow:
    """One class; fractions, None where undefined."""

    name: str
    train_id: int
    color: Color
    iou: float | None
    low: float | None = None
    """Lower bound of the interval, None without one."""
    high: float | None = None
    pixel_share: float = 0.0
    """Of the truth's pixels that are of the class; 0 = absent from the truth."""
    averaged: bool = True
    """Whether it enters the mean."""

    @property
    def remark(self) -> str:
        """What a reader has to know to read the number."""
        if self.iou is None:
            return "absent"
        if self.pixel_share == 0:
            return "absent, yet predicted" if self.averaged else "absent, not averaged"
        return "" if self.averaged else "not averaged"

    @property
    def share_text(self) -> str:
        """Its share of the pixels in per cent."""
        if self.pixel_share == 0:
            return "0"
        return "<0.01" if self.pixel_share < 0.0001 else percent(self.pixel_share, 2)


@dataclass(frozen=True)
class ClassResults:
    """The classes of one evaluation."""

    title: str
    rows: tuple[ClassRow, ...]
    """In train id order."""
    miou: float | None
    low: float | None = None
    """Bound of its interval, None without one."""
    high: float | None = None
    interval: str = ""
    """What the intervals are, for the note; empty without."""

    @property
    def lowest(self) -> ClassRow | None:
        """The class with the lowest IoU."""
        defined = [row for row in self.rows if row.iou is not None]
        return min(defined, key=lambda row: row.iou or 0.0, default=None)


def class_results(
    title: str,
    scores: Scores,
    palette: Sequence[Color] = (),
    how: Resampling = _INTERVALS,
) -> ClassResults:
    """Derive the rows, with bootstrap intervals where the counts of single frames were kept.

    Args:
        title: of the run.
        scores: of the evaluation.
        palette: K colours in train id order; grey where there are too few.
        how: intervals are made.
    """
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
    averaged = scores.averaged
    rows = tuple(
        ClassRow(
            name=name,
            train_id=index,
            color=palette[index] if index < len(palette) else GREY,
            iou=_defined(scores.iou[index]),
            low=_defined(bounds[0, index]),
            high=_defined(bounds[1, index]),
            pixel_share=int(pixels[index]) / max(int(pixels.sum()), 1),
            averaged=bool(averaged[index]),
        )
        for index, name in enumerate(scores.class_names)
    )
    low, high = map(_defined, miou_bounds)
    return ClassResults(title, rows, _defined(scores.miou), low, high, said)


def boundary_results(
    title: str, scores: Scores, palette: Sequence[Color] = ()
) -> ClassResults | None:
    """Return the boundary IoU of each class, without intervals; None where it was not measured."""
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


def iou_bars(
    runs: Sequence[ClassResults],
    key: str = "iou",
    *,
    has_anchors: bool = True,
    has_links: bool = False,
) -> Markup:
    """Write a table of bars, which a reader can sort without JavaScript.

    Args:
        runs: evaluations of the same classes; the first one gives colours, shares and the order.
        key: name of the choice of the order, one of its own for each such table of a page.
        has_anchors: whether rows have the id that ``anchor`` gives; once a page.
        has_links: whether names lead to ``#frames-NAME``, where the page lists frames by class.

    Raises:
        ValueError: no run, or runs of different classes.
    """
    if len({tuple(row.name for row in run.rows) for run in runs}) != 1:
        raise ValueError("bars need at least one run, and runs of the same classes")
    rows = runs[0].rows
    order = sorted(rows, key=lambda row: (row.iou is None, row.iou or 0.0, row.train_id))
    ranks = {row.train_id: rank for rank, row in enumerate(order, start=1)}
    return render(
        "classes.html",
        runs=runs,
        lines=[
            (ranks[line[0].train_id], line)
            for line in zip(*(run.rows for run in runs), strict=True)
        ],
        key=key,
        has_anchors=has_anchors,
        has_links=has_links,
        intervals=list(dict.fromkeys(run.interval for run in runs if run.interval)),
    )


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
