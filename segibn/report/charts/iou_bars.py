"""Bars of the IoU of each class, with intervals, of one evaluation or several side by side.

In: ``ClassResults``. Out: an HTML table; the bars are plain boxes, so they grow with the page and
can be read in order by a screen reader.
"""

from collections.abc import Sequence

from segibn.report.charts.class_rows import ClassResults, ClassRow, Color
from segibn.report.charts.markup import DASH, Markup, anchor, el, join, percent
from segibn.report.charts.panel import series_class

_MARKS = (0, 25, 50, 75, 100)
ORDERS = ("table", "iou")


def iou_bars(
    runs: Sequence[ClassResults],
    order: str = "table",
    key: str = "iou",
    anchors: bool = True,
    links: bool = False,
) -> str:
    """Draw the bars.

    Every row has ``data-class`` with the train id; it can be sorted by the reader, without
    JavaScript.

    Args:
        runs: evaluations of the same classes; the first one gives colours, shares and the order.
        order: which comes first: "table" (train ids) or "iou" (lowest first).
        key: name of the choice of the order, one of its own for each such table of a page.
        anchors: whether rows have the id that ``markup.anchor`` gives; once a page.
        links: whether class names lead to ``#frames-NAME``, where the page lists frames by class.

    Returns:
        A ``<section>``.

    Raises:
        ValueError: no run, an unknown order, or runs of different classes.
    """
    if not runs or order not in ORDERS:
        raise ValueError(f"bars need at least one run and an order of {ORDERS}; got {order!r}")
    names = [row.name for row in runs[0].rows]
    for run in runs[1:]:
        if [row.name for row in run.rows] != names:
            raise ValueError(f"{run.title} has other classes than {runs[0].title}")
    ranks = _ranks(runs[0].rows)
    body = [_mean_row(runs)]
    for place, rows in enumerate(zip(*(run.rows for run in runs), strict=True)):
        body.append(_class_row(runs, rows, ranks[place], anchors, links))
    table = el(
        "table",
        el("thead", _head(), role="rowgroup"),
        el("tbody", *body, role="rowgroup"),
        class_="chart-bars",
        role="table",
        style=_mean_mark(runs),
    )
    return el(
        "section",
        el("div", _legend(runs), _order_choice(order, key), class_="chart-tools"),
        table,
        el("p", _note(runs), class_="chart-note"),
        class_="chart chart-iou",
    )


def color_chip(color: Color) -> Markup:
    """Draw a class's colour."""
    return el(
        "span", class_="chart-chip", style=f"background:rgb({color[0]},{color[1]},{color[2]})"
    )


def _head() -> Markup:
    marks = [el("span", str(mark), style=f"left:{mark}%") for mark in _MARKS]
    scale = el("span", *marks, class_="chart-scale", attrs={"aria-hidden": "true"})
    axis = el(
        "div", scale, el("span", "IoU %"), el("span", "interval", class_="chart-ci"),
        class_="chart-one",
    )  # fmt: skip
    cells = ("class", axis, "pixels %")
    return el(
        "tr", *(el("th", cell, scope="col", role="columnheader") for cell in cells), role="row"
    )


def _mean_row(runs: Sequence[ClassResults]) -> Markup:
    bars = [
        _bar(run.title if len(runs) > 1 else "", "mean", index, run.miou, run.low, run.high)
        for index, run in enumerate(runs)
    ]
    return el(
        "tr",
        el("th", "mean (mIoU)", scope="row", role="rowheader"),
        el("td", *bars, role="cell"),
        el("td", role="cell"),
        class_="chart-mean",
        role="row",
    )


def _class_row(
    runs: Sequence[ClassResults],
    rows: Sequence[ClassRow],
    rank: int,
    anchors: bool,
    links: bool,
) -> Markup:
    first = rows[0]
    bars = []
    for index, (run, row) in enumerate(zip(runs, rows, strict=True)):
        title = run.title if len(runs) > 1 else ""
        bars.append(_bar(title, row.name, index, row.iou, row.low, row.high, _remark(row)))
    name = el("a", first.name, href=f"#{anchor(first.name, 'frames')}") if links else first.name
    head = el("th", color_chip(first.color), name, scope="row", role="rowheader")
    return el(
        "tr",
        head,
        el("td", *bars, role="cell"),
        el("td", _share_text(first.pixel_share), class_="chart-share", role="cell"),
        id=anchor(first.name) if anchors else None,
        data_class=str(first.train_id),
        style=f"--rank:{rank}",
        role="row",
    )


def _bar(
    run: str,
    name: str,
    index: int,
    iou: float | None,
    low: float | None,
    high: float | None,
    remark: str = "",
) -> Markup:
    """One line: the bar with its whisker, the number, the interval."""
    if iou is None:
        track = el("span", class_="chart-track")
        number = el("span", remark or DASH, class_="chart-number chart-absent")
        return el("div", track, number, class_="chart-one", title=_titled(run, name, remark))
    whisker, interval = None, ""
    if low is not None and high is not None:
        place = f"left:{100 * low:.3f}%;width:{100 * (high - low):.3f}%"
        whisker = el("span", class_="chart-whisker", style=place)
        interval = f"{percent(low)} to {percent(high)}"
    fill = el("span", class_="chart-fill", style=f"width:{100 * iou:.3f}%")
    told = f"IoU {percent(iou)} %" + (f", interval {interval}" if interval else "")
    return el(
        "div",
        el("span", fill, whisker, class_="chart-track"),
        el("span", percent(iou), class_="chart-number"),
        el("span", interval, class_="chart-ci"),
        el("span", remark, class_="chart-remark") if remark else None,
        class_=f"chart-one {series_class(index)}",
        title=_titled(run, name, f"{told}; {remark}" if remark else told),
    )


def _titled(run: str, name: str, text: str) -> str:
    return f"{run}, {name}: {text}" if run else f"{name}: {text}"


def _remark(row: ClassRow) -> str:
    """What a reader has to know to read the number."""
    if row.iou is None:
        return "absent"
    if row.pixel_share == 0:
        return "absent, yet predicted" if row.averaged else "absent, not averaged"
    return "" if row.averaged else "not averaged"


def _share_text(fraction: float) -> str:
    if fraction == 0:
        return "0"
    return "<0.01" if fraction < 0.0001 else percent(fraction, 2)


def _ranks(rows: Sequence[ClassRow]) -> list[int]:
    """Place of each row when the lowest IoU comes first and absent classes last."""
    order = sorted(range(len(rows)), key=lambda i: (rows[i].iou is None, rows[i].iou or 0.0, i))
    ranks = [0] * len(rows)
    for rank, index in enumerate(order, start=1):
        ranks[index] = rank
    return ranks


def _mean_mark(runs: Sequence[ClassResults]) -> str | None:
    """Where the line of the mean runs through all bars; only one run has a line."""
    if len(runs) > 1 or runs[0].miou is None:
        return None
    return f"--mean:{100 * runs[0].miou:.3f}%"


def _legend(runs: Sequence[ClassResults]) -> Markup | None:
    if len(runs) < 2:
        return None
    entries = [
        el(
            "li",
            el("span", class_=f"chart-box {series_class(index)}"),
            f"{run.title}, mIoU {percent(run.miou)} %",
        )
        for index, run in enumerate(runs)
    ]
    return el("ul", *entries, class_="chart-legend")


def _order_choice(order: str, key: str) -> Markup:
    labels = {"table": "table order", "iou": "lowest IoU first"}
    choices = []
    for value, text in labels.items():
        radio = el(
            "input",
            attrs={
                "type": "radio",
                "name": f"chart-order-{key}",
                "value": value,
                "checked": "checked" if value == order else None,
            },
        )
        choices.append(el("label", radio, text))
    return el("fieldset", el("legend", "Order"), *choices, class_="chart-choice")


def _note(runs: Sequence[ClassResults]) -> Markup:
    intervals = list(dict.fromkeys(run.interval for run in runs if run.interval))
    said = "; ".join(intervals) + "." if intervals else "No intervals: frames were not kept apart."
    parts = [said, " Pixels: share of the truth that is of the class."]
    if len(runs) == 1 and runs[0].miou is not None:
        parts.append(" The thin line through the bars is the mean.")
    return join(parts)
