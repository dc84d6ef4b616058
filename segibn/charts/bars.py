"""Bars side by side at named places, and over bins of confidence below a reliability diagram."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from segibn.charts import style
from segibn.text import printable

_GROUP_SHARE = 0.8  # of a place's width that its bars take

Bar = tuple[float, float]  # a value, and half the length of the line at its end (0 = none)


@style.chart_style()
def bar_chart(bars: Mapping[str, Sequence[Bar]], names: Sequence[str], title: str) -> "style.Figure":
    """Draw bars, title of a series -> one for each of the names along the horizontal axis."""
    figure, axes = style.new_figure()
    width = _GROUP_SHARE / len(bars)
    handles = []
    for number, series in enumerate(bars.values()):
        values, spreads = np.array(series, dtype=float).T
        left = np.arange(len(names)) - _GROUP_SHARE / 2 + width * number
        color = style.SERIES[number % len(style.SERIES)]
        handles.append(axes.bar(left, values, 0.94 * width, align="edge", color=color))
        seen = spreads > 0
        middle = left[seen] + 0.47 * width
        axes.errorbar(middle, values[seen], yerr=spreads[seen], fmt="none", ecolor=style.INK)
    axes.axhline(0, color=style.INK, linewidth=1)
    axes.set_xticks(range(len(names)), [printable(name) for name in names])
    axes.tick_params(axis="x", length=0)
    axes.spines.bottom.set_visible(False)
    axes.grid(axis="y")
    axes.set_title(printable(title))
    style.add_legend(figure, handles, list(bars))
    return figure


@style.chart_style()
def reliability_chart(bins: Sequence[Mapping[str, Any]], tips: Sequence[str] = ()) -> "style.Figure":
    """Draw accuracy over confidence, and below it where the pixels are; a page tells the tips."""
    series, paper = style.SERIES[0], style.PAPER
    figure, (upper, lower) = style.new_figure((360, 410), nrows=2, height_ratios=[5, 1], sharex=True)
    filled = [one for one in bins if one["pixels"]]
    sure, right = (100 * np.array([one[key] for one in filled]) for key in ("confidence", "accuracy"))
    upper.plot([0, 100], [0, 100], color=style.MUTED, linewidth=1, linestyle=(0, (4, 4)))
    upper.plot(sure, right, color=series, marker="o", markeredgecolor=paper, clip_on=False)
    edges = 100 * np.array([0.0, *(one["up_to"] for one in bins)])
    pixels = np.array([one["pixels"] for one in bins], dtype=float)
    bars = lower.bar(edges[:-1], pixels, np.diff(edges), align="edge", color=series, alpha=0.45, edgecolor=paper)
    for bar, (left, end), tip in zip(bars, pairwise(edges), tips, strict=False):
        style.tell(bar, tip)
        style.tell(upper.axvspan(left, end, alpha=0, linewidth=0), tip)
    upper.set(xlim=(0, 100), ylim=(0, 100), title="accuracy %")
    upper.grid(axis="y")
    upper.tick_params(axis="x", length=0)
    upper.spines.bottom.set_visible(False)
    lower.set(xlabel="confidence %", title="share of pixels", yticks=[])
    lower.set_ylim(0, max(pixels.max(initial=0), 1))
    return figure
