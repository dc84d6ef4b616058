"""Bars side by side at named places."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from segibn.charts.style import INK, SERIES, add_legend, chart_style, new_figure
from segibn.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GROUP_SHARE = 0.8  # of a place's width that its bars take

Bar = tuple[float, float]  # a value, and half the length of the line at its end (0 = none)


@chart_style()
def bar_chart(bars: Mapping[str, Sequence[Bar]], names: Sequence[str], title: str) -> "Figure":
    """Draw bars, title of a series -> one for each of the names along the horizontal axis."""
    figure, axes = new_figure()
    width = _GROUP_SHARE / len(bars)
    handles = []
    for number, series in enumerate(bars.values()):
        values, spreads = np.array(series, dtype=float).T
        left = np.arange(len(names)) - _GROUP_SHARE / 2 + width * number
        color = SERIES[number % len(SERIES)]
        handles.append(axes.bar(left, values, 0.94 * width, align="edge", color=color))
        seen = spreads > 0
        middle = left[seen] + 0.47 * width
        axes.errorbar(middle, values[seen], yerr=spreads[seen], fmt="none", ecolor=INK)
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xticks(range(len(names)), [printable(name) for name in names])
    axes.tick_params(axis="x", length=0)
    axes.spines.bottom.set_visible(False)
    axes.grid(axis="y")
    axes.set_title(printable(title))
    add_legend(figure, handles, list(bars))
    return figure
