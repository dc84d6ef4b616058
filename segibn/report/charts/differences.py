"""Run B against run A: the difference in each class with its interval, around a line at zero.

In: one comparison as ``segibn.evaluation.run_comparison`` writes it. Out: an HTML fragment.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from segibn.report.charts.axis import Axis, covering_axis, tick_text
from segibn.report.charts.markup import MINUS, Markup, el, join, percent, signed
from segibn.text import counted


def difference_chart(comparison: Mapping[str, Any]) -> str:
    """Draw the differences, in points of IoU: B minus A.

    A difference is coloured where interval and test agree that the runs differ; where they do not,
    it stays grey.

    Args:
        comparison: what ``Comparison.to_dict`` returns, or one of the "comparisons" of a
            ``compared.json``.

    Returns:
        A ``<section>``.
    """
    level = float(comparison["level"])
    lines = {"mean (mIoU)": dict(comparison["miou"]), **comparison["classes"]}
    axis = _axis(lines.values())
    rows = []
    for place, (name, line) in enumerate(lines.items()):
        p = line.get("p") if place == 0 else line.get("p_holm")
        shown = p is not None and p <= 1 - level and _excludes_zero(line)
        rows.append(_row(name, line, p, shown, axis, None if place == 0 else place - 1))
    table = el(
        "table",
        el("thead", _head(axis, level), role="rowgroup"),
        el("tbody", *rows, role="rowgroup"),
        class_="chart-bars chart-differences",
        role="table",
        style=f"--zero:{axis.place(0.0):.3f}%",
    )
    warnings = comparison.get("warnings", [])
    return el(
        "section",
        el("p", comparison["verdict"], class_="chart-verdict"),
        *(el("p", f"Warning: {text}", class_="chart-note chart-bad") for text in warnings),
        table,
        el("p", _note(comparison), class_="chart-note"),
        class_="chart chart-comparison",
    )


def _axis(lines: Iterable[Mapping[str, Any]]) -> Axis:
    """In points, from 0 to 100 per cent of the width; zero is always on it."""
    keys = ("difference", "low", "high")
    ends = [100 * line[key] for line in lines for key in keys if line[key] is not None]
    return covering_axis(min([0.0, *ends]), max([0.0, *ends]), 0.0, 100.0, marks=4)


def _head(axis: Axis, level: float) -> Markup:
    marks = []
    for tick in axis.ticks:
        text = tick_text(tick, axis.step).replace("-", MINUS)
        marks.append(el("span", text, style=f"left:{axis.place(tick):.3f}%"))
    scale = el("span", *marks, class_="chart-scale", attrs={"aria-hidden": "true"})
    names = (el("span", "points"), el("span", f"{100 * level:g} % interval", class_="chart-ci"))
    cells = ("class", el("div", scale, *names, class_="chart-one"), "p")
    return el(
        "tr", *(el("th", cell, scope="col", role="columnheader") for cell in cells), role="row"
    )


def _row(
    name: str,
    line: Mapping[str, Any],
    p: float | None,
    shown: bool,
    axis: Axis,
    train_id: int | None,
) -> Markup:
    difference = line["difference"]
    look = "chart-same" if not shown else "chart-gain" if difference > 0 else "chart-loss"
    both = f"A {percent(line['a'])} %, B {percent(line['b'])} %"
    value = el(
        "div",
        el("span", _marks(line, axis), class_="chart-track chart-zero"),
        el("span", signed(difference), class_="chart-number"),
        el("span", _interval(line), class_="chart-ci"),
        class_=f"chart-one {look}",
        title=f"{name}: {both}, difference {signed(difference)} points",
    )
    return el(
        "tr",
        el("th", name, scope="row", role="rowheader"),
        el("td", value, role="cell"),
        el("td", _p_text(p), class_="chart-share", role="cell"),
        class_="chart-mean" if train_id is None else None,
        data_class=None if train_id is None else str(train_id),
        role="row",
    )


def _marks(line: Mapping[str, Any], axis: Axis) -> Markup | None:
    if line["difference"] is None:
        return None
    point = el(
        "span", class_="chart-dot", style=f"left:{axis.place(100 * line['difference']):.3f}%"
    )
    if line["low"] is None or line["high"] is None:
        return point
    low, high = (axis.place(100 * line[key]) for key in ("low", "high"))
    reach = el("span", class_="chart-reach", style=f"left:{low:.3f}%;width:{high - low:.3f}%")
    return join((reach, point))


def _excludes_zero(line: Mapping[str, Any]) -> bool:
    low, high = line["low"], line["high"]
    return low is not None and high is not None and (low > 0 or high < 0)


def _interval(line: Mapping[str, Any]) -> str:
    if line["low"] is None or line["high"] is None:
        return ""
    return f"{signed(line['low'])} to {signed(line['high'])}"


def _p_text(p: float | None) -> str:
    if p is None or math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _note(comparison: Mapping[str, Any]) -> str:
    return (
        f"B is {comparison['b']}, A is {comparison['a']}: points of IoU, B minus A, over "
        f"{counted(comparison['frames'], 'frame')}. Bootstrap intervals and permutation test with "
        f"{comparison['resamples']:,} resamples; p of classes adjusted for their number (Holm). "
        "Grey: no difference is shown. Both say what the choice of frames can do, not what "
        "another training would give."
    )
