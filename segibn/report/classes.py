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
    train_id: int
    color: Color
    iou: float | None
    low: float | None = None  # lower bound of the interval, None without one
    high: float | None = None
    pixel_share: float = 0.0
    """Of the truth's pixels that are of the class; 0 = absent from the truth."""
    averaged: bool = True  # whether it enters the mean


@dataclass(frozen=True)
class ClassResults:
    """The classes of one evaluation."""

    title: str
    rows: tuple[ClassRow, ...]  # in train id order
    miou: float | None
    low: float | None = None  # bound of its interval, None without one
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
        said = (
            f"{100 * how.level:g} % intervals: bootstrap over {len(frames.names):,} frames, "
            f"{how.resamples:,} resamples"
        )
    names, pixels = scores.class_names, scores.confusion.sum(axis=1)
    low, high = map(_defined, miou_bounds)
    rows = class_rows(names, scores.iou, pixels, palette, scores.averaged, bounds)
    return ClassResults(title, rows, _defined(scores.miou), low, high, said)


def boundary_bars(title: str, scores: Scores, palette: Sequence[Color], key: str) -> Markup:
    """Write the boundary IoU of each class of scores that have it, see ``iou_bars``."""
    measured = scores.details["boundary"]
    names, pixels = scores.class_names, scores.confusion.sum(axis=1)
    iou = [measured["boundary_iou"].get(name) for name in names]
    rows = class_rows(names, iou, pixels, palette)
    return iou_bars([ClassResults(title, rows, measured["boundary_miou"])], key, has_anchors=False)


def class_rows(
    names: Sequence[str],
    iou: Sequence[float | None] | NDArray[np.float64],
    pixels: NDArray[np.int64],
    palette: Sequence[Color],
    averaged: Sequence[bool] | NDArray[np.bool_] | None = None,
    bounds: NDArray[np.float64] | None = None,
) -> tuple[ClassRow, ...]:
    """Arrange what is known of K classes.

    Args:
        iou: fractions; None or NaN where undefined.
        pixels: (K,) of the truth.
        averaged: which enter the mean; None = those with an IoU.
        bounds: (2, K) of the intervals, NaN without.
    """
    total = max(int(pixels.sum()), 1)
    bounds = np.full((2, len(names)), np.nan) if bounds is None else bounds
    values = list(map(_defined, iou))
    return tuple(
        ClassRow(
            name=name,
            train_id=index,
            color=palette[index] if index < len(palette) else GREY,
            iou=values[index],
            low=_defined(bounds[0, index]),
            high=_defined(bounds[1, index]),
            pixel_share=int(pixels[index]) / total,
            averaged=values[index] is not None if averaged is None else bool(averaged[index]),
        )
        for index, name in enumerate(names)
    )


def iou_bars(
    runs: Sequence[ClassResults],
    key: str = "iou",
    *,
    has_anchors: bool = True,
    has_links: bool = False,
) -> Markup:
    """Write a table of bars, which a reader can sort without JavaScript.

    Runs are of the same classes (else a ValueError); the first one gives colours, shares and the
    order. ``has_anchors``: whether rows have the id that ``anchor`` gives, once a page;
    ``has_links``: whether names lead to ``#frames-NAME``, where the page lists frames by class.
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


def grouped_bars(
    results: Iterable[tuple[str, ClassResults]],
    key: str,
    *,
    has_anchors: bool = False,
    has_links: bool = False,
) -> list[tuple[str, Markup]]:
    """Group (set of frames, results) -> (set, bars of its results side by side), as ``iou_bars``.

    Results of other classes get bars of their own. An id stands on the page once.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[ClassResults]] = {}
    for name, found in results:
        groups.setdefault((name, tuple(row.name for row in found.rows)), []).append(found)
    drawn: list[tuple[str, Markup]] = []
    seen: set[str] = set()
    for place, ((name, classes), group) in enumerate(groups.items()):
        is_first = has_anchors and seen.isdisjoint(classes)
        seen.update(classes)
        bars = iou_bars(group, f"{key}-{place}", has_anchors=is_first, has_links=has_links)
        drawn.append((name, bars))
    return drawn


def _defined(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def palette_of(names: Sequence[str], own: Mapping[int, Color] | None = None) -> NDArray[np.uint8]:
    """Return (K, 3) RGB: of the scheme with these classes, by train id of a table, or hues."""
    scheme = next(
        (s for s in CLASS_SCHEMES if scheme_label_set(s).class_names == tuple(names)), None
    )
    if scheme is not None:
        return scheme_label_set(scheme).palette
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
            for name, (red, green, blue) in zip(shown, palette_of(shown).tolist(), strict=True):
                found.setdefault(name, (red, green, blue))
    return found
