"""Lines with marks: over named places, or over the iterations of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from segibn.charts import style
from segibn.text import printable


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a chart; a value that is not finite leaves a gap."""

    label: str
    y: ArrayLike
    x: ArrayLike | None = None  # ascending, one for each value; None = 0, 1, 2 and so on
    spread: Sequence[float] = ()  # half the length of the bar at each value; empty = no bars
    faint: ArrayLike | None = None  # values that it smooths, drawn pale below it
    series: int | None = None  # its colour, mark and dashes; None = its place among the lines
    has_marks: bool = True


@style.chart_style()
def line_chart(
    lines: Sequence[Line],
    title: str = "",
    names: Mapping[float, str] | None = None,
    *,
    last: int | None = None,
    from_zero: bool = True,
    has_legend: bool = True,
    size: tuple[float, float] = style.FILE_SIZE,
    tips: Mapping[int, str] | None = None,
) -> "style.Figure":
    """Draw lines over named places, or else over iterations up to the ``last``.

    ``from_zero`` is of the vertical axis; ``size`` in points; ``tips``: ascending place -> what a page tells there.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    figure, axes = style.new_figure(size)
    handles = [_draw(axes, line, place) for place, line in enumerate(lines)]
    if names is None:
        axes.set_xlim(0, last)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel("iterations")
        axes.spines.bottom.set_visible(True)
    else:
        axes.set_xticks(list(names), [printable(name) for name in names.values()])
        axes.margins(x=0.06)
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.locator_params(axis="y", nbins=6)
    axes.grid(axis="y")
    axes.set_ylim(bottom=0 if from_zero else None)
    axes.set_title(printable(title))
    if has_legend:
        style.add_legend(figure, handles, [line.label for line in lines])
    if tips:
        low, high = axes.get_xlim()
        edges = [low, *(sum(pair) / 2 for pair in pairwise(tips)), high]
        for (left, right), tip in zip(pairwise(edges), tips.values(), strict=True):
            style.tell(axes.axvspan(left, right, alpha=0, linewidth=0), tip)
    return figure


def _draw(axes: Any, line: Line, place: int) -> Any:
    number = place if line.series is None else line.series
    color = style.SERIES[number % len(style.SERIES)]
    y = np.asarray(line.y, dtype=float)
    y = np.where(np.isfinite(y), y, np.nan)
    x = np.arange(len(y)) if line.x is None else np.asarray(line.x)
    is_dashed = number // len(style.SERIES) % 2 == 1
    look: dict[str, Any] = {"color": color, "linestyle": "--" if is_dashed else "-"}
    if line.has_marks:
        look |= {"marker": style.MARKS[number % len(style.MARKS)], "markeredgecolor": style.PAPER}
        if number % len(style.MARKS) > 3:
            look |= {"markerfacecolor": style.PAPER, "markeredgecolor": color, "markeredgewidth": 2}
    if line.faint is not None:
        axes.plot(x, np.asarray(line.faint), color=color, linewidth=1, alpha=0.35)
    spread = line.spread if any(line.spread) else None
    line_drawn = axes.errorbar(x, y, yerr=spread, capsize=3.5, elinewidth=1.2, **look)[0]
    line_drawn.set_clip_on(False)  # marks at the ends of an axis are whole
    return line_drawn
