"""IoU of each class with its interval: scores in, rows and a table of bars out."""

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from segibn.data.datasets.catalog import scheme_label_set
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Scores
from segibn.labels import CLASS_SCHEMES
from segibn.report.content import GREY, Color, CrossDomain
from segibn.report.templates import render

_INTERVALS = Resampling(resamples=2_000)


@dataclass(frozen=True)
class ClassRow:
    """One class; fractions, None where undefined."""

    name: str
    color: Color
    iou: float | None
    low: float | None  # bounds of the interval
    high: float | None
    pixel_share: float  # of the truth's pixels that are of the class; 0 = absent from the truth
    averaged: bool  # whether it enters the mean


@dataclass(frozen=True)
class ClassResults:
    """The classes of one evaluation; fractions, None where undefined."""

    title: str
    rows: tuple[ClassRow, ...]  # in train id order
    miou: float | None
    low: float | None = None  # bounds of its interval
    high: float | None = None
    interval: str = ""  # what the intervals are, for the note; empty without

    @property
    def lowest(self) -> ClassRow | None:
        """The class with the lowest IoU."""
        defined = [row for row in self.rows if row.iou is not None]
        return min(defined, key=lambda row: row.iou or 0.0, default=None)


def class_results(
    title: str, scores: Scores, palette: Sequence[Color] = (), how: Resampling = _INTERVALS
) -> ClassResults:
    """Derive the rows, with bootstrap intervals where the counts of single frames were kept."""
    k = len(scores.class_names)
    bounds, miou_bounds, said = np.full((2, k), np.nan), np.full(2, np.nan), ""
    frames = scores.frame_counts
    if frames is not None and len(frames.names) > 1:
        found = bootstrap_intervals(frames.counts, scores.conditions.policy, how)
        bounds, miou_bounds = found.iou, found.miou
        over = f"bootstrap over {len(frames.names):,} frames, {how.resamples:,} resamples"
        said = f"{100 * how.level:g} % intervals: {over}"
    rows = class_rows(scores.class_names, scores.iou, scores.confusion.sum(axis=1), palette, scores.averaged, bounds)
    return ClassResults(title, rows, *map(_defined, (scores.miou, *miou_bounds)), said)


def boundary_bars(title: str, scores: Scores, palette: Sequence[Color], key: str) -> Markup:
    """Write the boundary IoU of each class of scores that have it."""
    measured = scores.details["boundary"]
    iou = [measured["boundary_iou"].get(name) for name in scores.class_names]
    rows = class_rows(scores.class_names, iou, scores.confusion.sum(axis=1), palette)
    return iou_bars([ClassResults(title, rows, measured["boundary_miou"])], key, False)


def class_rows(
    names: Sequence[str],
    iou: Sequence[float | None] | NDArray[np.float64],
    pixels: NDArray[np.int64],
    palette: Sequence[Color],
    averaged: Sequence[bool] | NDArray[np.bool_] | None = None,
    bounds: NDArray[np.float64] | None = None,
) -> tuple[ClassRow, ...]:
    """Arrange what is known of K classes: ``pixels`` of the truth (K,), ``bounds`` (2, K).

    ``averaged``: which enter the mean; None = those with an IoU.
    """
    total = max(int(pixels.sum()), 1)
    bounds = np.full((2, len(names)), np.nan) if bounds is None else bounds
    rows = []
    for index, name in enumerate(names):
        value, low, high = map(_defined, (iou[index], *bounds[:, index]))
        color = palette[index] if index < len(palette) else GREY
        enters = value is not None if averaged is None else bool(averaged[index])
        rows.append(ClassRow(name, color, value, low, high, int(pixels[index]) / total, enters))
    return tuple(rows)


def iou_bars(
    runs: Sequence[ClassResults],
    key: str = "iou",
    has_anchors: bool = True,  # rows have the id of ``anchor``, once a page
    has_links: bool = False,  # names lead to ``#frames-NAME``, the page's list of frames by class
) -> Markup:
    """Write a table of bars for runs of equal classes; the first gives colours, shares, order."""
    lines = list(zip(*(run.rows for run in runs), strict=True))
    order = sorted(lines, key=lambda line: (line[0].iou is None, line[0].iou or 0.0))
    return render(
        "classes.html",
        runs=runs,
        lines=lines,
        ranks={line[0].name: rank for rank, line in enumerate(order, start=1)},
        key=key,
        has_anchors=has_anchors,
        has_links=has_links,
        intervals=list(dict.fromkeys(run.interval for run in runs if run.interval)),
    )


def grouped_bars(
    results: Iterable[tuple[str, ClassResults]], key: str, has_anchors: bool, has_links: bool
) -> list[tuple[str, Markup]]:
    """Group (set of frames, results) -> (set, ``iou_bars`` of its results with equal classes)."""
    groups: dict[tuple[str, tuple[str, ...]], list[ClassResults]] = {}
    for name, found in results:
        groups.setdefault((name, tuple(row.name for row in found.rows)), []).append(found)
    drawn: list[tuple[str, Markup]] = []
    seen: set[str] = set()  # an id stands on the page once
    for place, ((name, classes), group) in enumerate(groups.items()):
        is_first = has_anchors and seen.isdisjoint(classes)
        seen.update(classes)
        drawn.append((name, iou_bars(group, f"{key}-{place}", is_first, has_links)))
    return drawn


def _defined(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def palette_of(names: Sequence[str], own: Mapping[int, Color] | None = None) -> NDArray[np.uint8]:
    """Return (K, 3) RGB: of the scheme with these classes, by train id of a table, or hues."""
    for label_set in map(scheme_label_set, CLASS_SCHEMES):
        if label_set.class_names == tuple(names):
            return label_set.palette
    if own and set(range(len(names))) <= set(own):
        return np.array([own[index] for index in range(len(names))], np.uint8)
    hues = (colorsys.hsv_to_rgb(0.618 * index % 1, 0.6, 0.85) for index in range(len(names)))
    return np.array([[round(255 * part) for part in color] for color in hues], np.uint8)


def table_colors(tables: Sequence[CrossDomain]) -> dict[str, Color]:
    """Return the colours of the classes that the rows of tables name."""
    found: dict[str, Color] = {}
    for names in [row.get("class_names") for table in tables for row in table.rows]:
        if isinstance(names, list):
            shown = list(map(str, names))
            found = dict(zip(shown, map(tuple, palette_of(shown).tolist()), strict=True)) | found
    return found
