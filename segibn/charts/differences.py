"""Differences with their intervals around a line at zero: runs against one reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from textwrap import fill
from typing import Any

from segibn.charts import style
from segibn.text import printable

_LINE = 17.0  # points of height that a row takes for each run


@dataclass(frozen=True)
class Difference:
    """One difference and its bounds; NaN = nothing to draw."""

    value: float
    low: float
    high: float
    is_shown: bool  # whether the difference is shown to be one: its dot is filled


@style.chart_style()
def difference_chart(
    runs: Mapping[str, Sequence[Difference]],
    names: Sequence[str],
    title: str = "",
    unit: str = "",
    warnings: Sequence[str] = (),
    *,
    has_legend: bool = True,
    width: float = style.FILE_SIZE[0],
    tips: Sequence[str] = (),
) -> "style.Figure":
    """Draw a dot and a bar for each name and run; of a single run, gains green and losses red.

    ``runs``: legend -> one difference for each name. ``has_legend``: whether the chart names its
    runs and warns. ``width`` in points. ``tips``: what a page tells of each row.
    """
    labels = [*runs, *(f"WARNING: {text}" for text in warnings)] if has_legend else []
    labels = [fill(printable(label), int(width / 6.2)) for label in labels]
    below = 17 * sum(label.count("\n") + 1 for label in labels)
    figure, axes = style.new_figure((width, (_LINE * len(runs) + 6) * len(names) + 75 + below))
    handles = []
    for number, differences in enumerate(runs.values()):
        up = 0.8 * ((number + 0.5) / len(runs) - 0.5)
        color = style.SERIES[number % len(style.SERIES)] if len(runs) > 1 else None
        for line, difference in enumerate(differences):
            _draw(axes, difference, line + up, color)
        handles += axes.plot([], [], color=color or style.INK, marker="o")
    axes.axvline(0, color=style.INK, linewidth=1.2, zorder=1)
    axes.set_yticks(range(len(names)), [printable(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x")
    axes.set_title(printable(title))
    axes.set_xlabel(printable(unit))
    for line, tip in enumerate(tips):
        style.tell(axes.axhspan(line - 0.5, line + 0.5, alpha=0, linewidth=0), tip)
    if labels:
        handles += [line for _ in warnings for line in axes.plot([], [], linestyle="none")]
        colors = [style.INK] * len(runs) + [style.BAD] * len(warnings)
        style.add_legend(figure, handles, labels, labelcolor=colors)
    return figure


def _draw(axes: Any, difference: Difference, y: float, color: str | None) -> None:
    """Draw a row; without a colour its own says whether it is a gain, a loss or neither."""
    if isnan(difference.value + difference.low + difference.high):
        return
    outcome = style.GOOD if difference.value > 0 else style.BAD
    color = color or (outcome if difference.is_shown else style.MUTED)
    filling = color if difference.is_shown else style.PAPER
    axes.plot([difference.low, difference.high], [y, y], color=color, solid_capstyle="round")
    axes.plot(difference.value, y, "o", color=color, markerfacecolor=filling, markeredgewidth=2)
