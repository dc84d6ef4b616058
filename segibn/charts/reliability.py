"""Reliability diagram: how often a network is right when it says that it is, say, 80 % sure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from segibn.charts.style import MUTED, PAPER, SERIES, chart_style, new_figure, tell

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@chart_style()
def reliability_chart(bins: Sequence[Mapping[str, Any]], tips: Sequence[str] = ()) -> "Figure":
    """Draw accuracy over confidence, and below it where the pixels are.

    Bins as of ``segibn.evaluation.calibration``; a page tells the tip of each.
    """
    layout = {"height_ratios": [5, 1], "sharex": True}
    figure, (upper, lower) = new_figure((360, 410), nrows=2, **layout)
    filled = [one for one in bins if one["pixels"]]
    sure, right = (
        100 * np.array([one[key] for one in filled]) for key in ("confidence", "accuracy")
    )
    upper.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
    upper.plot(sure, right, color=SERIES[0], marker="o", markeredgecolor=PAPER, clip_on=False)
    edges = 100 * np.array([0.0, *(one["up_to"] for one in bins)])
    pixels = np.array([one["pixels"] for one in bins], dtype=float)
    bars = lower.bar(
        edges[:-1],
        pixels,
        np.diff(edges),
        align="edge",
        color=SERIES[0],
        alpha=0.45,
        edgecolor=PAPER,
    )
    for bar, (left, end), tip in zip(bars, pairwise(edges), tips, strict=False):
        tell(bar, tip)
        tell(upper.axvspan(left, end, alpha=0, linewidth=0), tip)
    upper.set(xlim=(0, 100), ylim=(0, 100), title="accuracy %")
    upper.grid(axis="y")
    upper.tick_params(axis="x", length=0)
    upper.spines.bottom.set_visible(False)
    lower.set(xlabel="confidence %", title="share of pixels", yticks=[])
    lower.set_ylim(0, max(pixels.max(initial=0), 1))
    return figure
