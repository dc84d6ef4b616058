"""Reliability diagram: how often a network is right when it says that it is, say, 80 % sure.

In: the "calibration" of a scores file (``segibn.evaluation.calibration``). Out: an HTML fragment.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from segibn.report.charts.axis import Axis
from segibn.report.charts.markup import Markup, coordinate, el, join, percent, share

_SIZE, _LEFT, _TOP, _BOTTOM, _RIGHT = 360.0, 40.0, 10.0, 40.0, 14.0
_SHARES = 56.0  # height of the histogram of pixels below the diagram
_GAP = 12.0


def reliability_diagram(calibration: Mapping[str, Any], title: str = "Reliability") -> str:
    """Draw accuracy over confidence, and below it where the pixels are.

    Args:
        calibration: what ``Calibration.to_dict`` returns.
        title: of the drawing.

    Returns:
        A ``<section>``.
    """
    bins = calibration["bins"]
    total = max(sum(line["pixels"] for line in bins), 1)
    figure = el(
        "figure",
        el("figcaption", title, el("span", "in per cent", class_="chart-unit")),
        _drawing(bins, total, title, calibration),
        class_="chart-panel chart-square",
    )
    return el(
        "section",
        figure,
        el("p", _note(calibration), class_="chart-note"),
        el(
            "details",
            el("summary", "Values of the bins"),
            el("div", _table(bins, total), class_="chart-scroll"),
        ),
        class_="chart chart-reliability",
    )


def _drawing(
    bins: Sequence[Mapping[str, Any]], total: int, title: str, calibration: Mapping[str, Any]
) -> Markup:
    across = Axis(0.0, 1.0, 0.2, _LEFT, _SIZE - _RIGHT)
    up = Axis(0.0, 1.0, 0.2, _LEFT + _TOP + _SIZE - _RIGHT - 2 * _LEFT, _TOP)
    floor = up.start + _GAP + _SHARES
    return el(
        "svg",
        el("title", title),
        el(
            "desc",
            f"Accuracy over confidence in {len(bins)} bins; expected calibration error "
            f"{percent(calibration['ece'])} %. The table of the bins follows.",
        ),
        _axes(across, up, floor),
        _curve(bins, across, up),
        _histogram(bins, total, across, floor),
        *_points(bins, total, across, up),
        class_="chart-svg chart-s1",
        role="img",
        attrs={"viewBox": f"0 0 {_SIZE:.0f} {floor + _BOTTOM:.0f}"},
    )


def _axes(across: Axis, up: Axis, floor: float) -> Markup:
    parts = []
    for tick in up.ticks:
        y = up.place(tick)
        parts.append(el("line", class_="chart-grid", x1=_LEFT, x2=across.end, y1=y, y2=y))
        label = f"{100 * tick:.0f}"
        parts.append(el("text", label, class_="chart-tick chart-tick-y", x=_LEFT - 6, y=y + 4))
    for tick in across.ticks:
        x = across.place(tick)
        label = f"{100 * tick:.0f}"
        parts.append(el("line", class_="chart-axis", x1=x, x2=x, y1=floor, y2=floor + 4))
        parts.append(el("text", label, class_="chart-tick", x=x, y=floor + 17))
    middle = (across.start + across.end) / 2
    ideal = {"x1": across.start, "x2": across.end, "y1": up.start, "y2": up.end}
    return el(
        "g",
        *parts,
        el("line", class_="chart-ideal", attrs=ideal),
        el("line", class_="chart-axis", x1=_LEFT, x2=across.end, y1=floor, y2=floor),
        el("text", "confidence", class_="chart-name", x=middle, y=floor + 34),
        el("text", "accuracy", class_="chart-aside", x=_LEFT + 6, y=_TOP + 14),
        el("text", "share of pixels", class_="chart-aside", x=_LEFT + 6, y=floor - _SHARES + 10),
    )


def _curve(bins: Sequence[Mapping[str, Any]], across: Axis, up: Axis) -> Markup:
    places = [
        f"{coordinate(across.place(line['confidence']))} {coordinate(up.place(line['accuracy']))}"
        for line in bins
        if line["pixels"]
    ]
    return el("path", class_="chart-line", d="M" + "L".join(places) if places else "")


def _points(bins: Sequence[Mapping[str, Any]], total: int, across: Axis, up: Axis) -> list[Markup]:
    marks = []
    for line in bins:
        if line["pixels"]:
            x, y = across.place(line["confidence"]), up.place(line["accuracy"])
            dot = el("circle", class_="chart-point", cx=x, cy=y, r=4.0)
            marks.append(el("g", el("title", _told(line, total)), dot))
    return marks


def _histogram(bins: Sequence[Mapping[str, Any]], total: int, across: Axis, floor: float) -> Markup:
    """Bars from the floor up, the highest one as high as there is room."""
    highest = max((line["pixels"] for line in bins), default=0) or 1
    bars = []
    for index, line in enumerate(bins):
        left = across.place(bins[index - 1]["up_to"] if index else 0.0)
        height = _SHARES * line["pixels"] / highest
        width = across.place(line["up_to"]) - left - 1
        area = {"x": left + 0.5, "y": floor - height, "width": width, "height": height}
        title = el("title", _told(line, total))
        bars.append(el("g", title, el("rect", class_="chart-pixels", attrs=area)))
    return el("g", *bars)


def _told(line: Mapping[str, Any], total: int) -> str:
    said = f"up to {percent(line['up_to'])} % sure: {share(line['pixels'] / total)} of the pixels"
    if not line["pixels"]:
        return said
    return (
        f"{said}, on average {percent(line['confidence'])} % sure and "
        f"{percent(line['accuracy'])} % right"
    )


def _note(calibration: Mapping[str, Any]) -> Markup:
    return join(
        (
            f"Expected calibration error {percent(calibration['ece'])} %, largest gap of a bin "
            f"{percent(calibration['max_error'])} %. On the dashed line the network is as often "
            "right as it is sure; below it, it is too sure.",
        )
    )


def _table(bins: Sequence[Mapping[str, Any]], total: int) -> Markup:
    head = ("up to, %", "confidence %", "accuracy %", "pixels", "share")
    body = []
    for line in bins:
        cells = (
            percent(line["up_to"]),
            percent(line["confidence"]),
            percent(line["accuracy"]),
            f"{line['pixels']:,}",
            share(line["pixels"] / total),
        )
        body.append(el("tr", *(el("td", cell) for cell in cells)))
    return el(
        "table",
        el("thead", el("tr", *(el("th", text, scope="col") for text in head))),
        el("tbody", *body),
        class_="chart-table",
    )
