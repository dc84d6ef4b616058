"""One drawing of lines over iterations, as an SVG that scales with its column.

In: series of values. Out: ``<svg>`` with marks at round values, lines, points and, over them,
columns that name the values under the pointer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segibn.report.charts.axis import (
    Axis,
    covering_axis,
    exact_axis,
    power_of_ten,
    tick_text,
)
from segibn.report.charts.curve import Floats, thin
from segibn.report.charts.markup import TIMES, Markup, coordinate, el, join

WIDTH, HEIGHT = 400.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 14.0, 10.0, 40.0
_BUCKETS = 120  # of a line's x axis; up to four points of each are drawn
_COLUMNS = 80  # that answer to the pointer
_COLORS, _SHAPES = 6, 6


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a panel.

    Attributes:
        title: of its run.
        x: (n,) iterations, ascending.
        y: (n,) values; what is not finite leaves a gap.
        smooth: (n,) drawn strong over a faint ``y``; None = ``y`` is drawn strong.
        index: place of the run: its colour, shape and dashes.
        points: whether each value has a mark.
    """

    title: str
    x: NDArray[np.int64]
    y: Floats
    index: int
    smooth: Floats | None = None
    points: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """What a drawing shows.

    Attributes:
        title: what is measured, also for screen readers.
        unit: beside the title.
        series: at least one finite value among them.
        tell: how a value is written where the pointer is.
        from_zero: whether the axis has to begin at zero.
    """

    title: str
    unit: str
    series: Sequence[Series]
    tell: Callable[[float], str]
    from_zero: bool = False


def draw_panel(panel: Panel, last: int) -> Markup:
    """Draw a panel as ``<figure>``.

    Args:
        panel: what to show.
        last: iteration at which the horizontal axis ends.
    """
    values = np.concatenate([series.y for series in panel.series])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    across = exact_axis(0.0, float(max(last, 1)), _LEFT, WIDTH - _RIGHT)
    up = covering_axis(0.0 if panel.from_zero else low, high, HEIGHT - _BOTTOM, _TOP)
    power = power_of_ten(max(abs(low), abs(high)))
    unit = panel.unit if not power else f"{panel.unit} {TIMES} 10{_superscript(power)}".strip()
    drawing = el(
        "svg",
        el("title", f"{panel.title} over iterations"),
        el("desc", _description(panel, low, high, last)),
        _grid(up, power),
        _bottom(across),
        *(_line(series, across, up) for series in panel.series),
        _columns(panel, across, last),
        *(_points(series, across, up, panel.tell) for series in panel.series if series.points),
        class_="chart-svg",
        role="img",
        attrs={"viewBox": f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"},
    )
    caption = el("figcaption", panel.title, el("span", unit, class_="chart-unit") if unit else None)
    return el("figure", caption, drawing, class_="chart-panel")


def swatch(index: int) -> Markup:
    """Draw a run's line and shape as they are in the panels, for legends."""
    return el(
        "svg",
        el("line", class_="chart-line", x1=0, y1=7, x2=28, y2=7),
        _shape(index, 14.0, 7.0),
        class_=f"chart-swatch {series_class(index)}",
        attrs={"viewBox": "0 0 28 14", "aria-hidden": "true"},
    )


def series_class(index: int) -> str:
    """Return the classes that give a run its colour and, beyond six runs, its dashes."""
    dashed = " chart-dashed" if (index // _COLORS) % 2 else ""
    return f"chart-s{index % _COLORS + 1}{dashed}"


def _grid(up: Axis, power: int) -> Markup:
    lines = []
    for tick in up.ticks:
        y = up.place(tick)
        label = tick_text(tick / 10.0**power, up.step / 10.0**power)
        rule = el("line", class_="chart-grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y)
        text = el("text", label, class_="chart-tick chart-tick-y", x=_LEFT - 6, y=y + 4)
        lines.append(join((rule, text)))
    return el("g", *lines)


def _bottom(across: Axis) -> Markup:
    y = HEIGHT - _BOTTOM
    marks = []
    for tick in across.ticks:
        x = across.place(tick)
        rule = el("line", class_="chart-axis", x1=x, x2=x, y1=y, y2=y + 4)
        label = tick_text(tick, across.step)
        marks.append(join((rule, el("text", label, class_="chart-tick", x=x, y=y + 17))))
    rule = el("line", class_="chart-axis", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y)
    name = el("text", "iterations", class_="chart-name", x=(_LEFT + WIDTH - _RIGHT) / 2, y=y + 34)
    return el("g", rule, *marks, name)


def _line(series: Series, across: Axis, up: Axis) -> Markup:
    """The raw values, faint where a smoothed line lies over them."""
    drawn = []
    if series.smooth is not None:
        drawn.append(_path(series.x, series.y, across, up, "chart-raw"))
        drawn.append(_path(series.x, series.smooth, across, up, "chart-line"))
    else:
        drawn.append(_path(series.x, series.y, across, up, "chart-line"))
    return el("g", *drawn, class_=series_class(series.index), data_run=series.title)


def _path(x: NDArray[np.int64], y: Floats, across: Axis, up: Axis, name: str) -> Markup:
    commands, pen = [], "M"
    for index in thin(x, y, _BUCKETS).tolist():
        if not np.isfinite(y[index]):
            pen = "M"
            continue
        place = across.place(float(x[index])), up.place(float(y[index]))
        commands.append(f"{pen}{coordinate(place[0])} {coordinate(place[1])}")
        pen = "L"
    return el("path", class_=name, d="".join(commands))


def _points(series: Series, across: Axis, up: Axis, tell: Callable[[float], str]) -> Markup:
    marks = []
    for index in thin(series.x, series.y, _BUCKETS).tolist():
        value = float(series.y[index])
        if np.isfinite(value):
            x = int(series.x[index])
            text = f"{series.title}, iteration {x:,}: {tell(value)}"
            shape = _shape(series.index, across.place(float(x)), up.place(value))
            marks.append(el("g", el("title", text), shape))
    return el("g", *marks, class_=series_class(series.index))


def _shape(index: int, x: float, y: float) -> Markup:
    """A mark that tells a run by its form too: circle, square, triangle, diamond, and hollow."""
    number = index % _SHAPES
    name = "chart-point" if number < 4 else "chart-point chart-hollow"
    if number in (0, 4):
        return el("circle", class_=name, cx=x, cy=y, r=4.0)
    if number in (1, 5):
        return el("rect", class_=name, x=x - 3.6, y=y - 3.6, width=7.2, height=7.2)
    corners = {2: ((0, -4.8), (4.6, 3.6), (-4.6, 3.6)), 3: ((0, -5), (5, 0), (0, 5), (-5, 0))}
    places = (f"{coordinate(x + dx)},{coordinate(y + dy)}" for dx, dy in corners[number])
    return el("polygon", class_=name, points=" ".join(places))


def _columns(panel: Panel, across: Axis, last: int) -> Markup:
    """Invisible columns, each with a line that shows under the pointer and what is there."""
    longest = max((series.x for series in panel.series), key=len)
    chosen = np.unique(np.linspace(0, longest.size - 1, min(_COLUMNS, longest.size)).round())
    at = longest[chosen.astype(int)].astype(np.float64)
    bounds = np.concatenate([[0.0], (at[1:] + at[:-1]) / 2, [float(max(last, 1))]])
    columns = []
    for place, iteration in enumerate(at.tolist()):
        left, right = (across.place(float(bounds[side])) for side in (place, place + 1))
        x = across.place(iteration)
        guide = el("line", class_="chart-guide", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM)
        area = el("rect", x=left, y=_TOP, width=right - left, height=HEIGHT - _TOP - _BOTTOM)
        columns.append(el("g", el("title", _told(panel, int(iteration))), area, guide))
    return el("g", *columns, class_="chart-columns")


def _told(panel: Panel, iteration: int) -> str:
    """Say what every series has at the record next to an iteration."""
    lines = [f"iteration {iteration:,}"]
    for series in panel.series:
        if series.x.size == 0:
            continue
        index = int(np.abs(series.x - iteration).argmin())
        text = panel.tell(float(series.y[index]))
        if series.smooth is not None:
            text += f" (smoothed {panel.tell(float(series.smooth[index]))})"
        if series.x[index] != iteration:
            text += f" at {series.x[index]:,}"
        lines.append(f"{series.title}: {text}" if len(panel.series) > 1 else text)
    return "\n".join(lines)


def _description(panel: Panel, low: float, high: float, last: int) -> str:
    runs = ", ".join(series.title for series in panel.series)
    return (
        f"{panel.title} of {runs} over {last:,} iterations, between {panel.tell(low)} and "
        f"{panel.tell(high)}. The table of values follows the drawings."
    )


def _superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
