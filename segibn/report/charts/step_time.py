"""Where the time of a training update goes, as bars.

In: ``profile.json`` as the step profiler writes it. Out: an HTML fragment.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from segibn.report.charts.markup import Markup, el, percent
from segibn.text import counted


def step_time_bars(profile: Mapping[str, Any]) -> str:
    """Draw the parts of an update, and the operators that take longest as a table to unfold.

    Args:
        profile: what ``profile.json`` holds; on a GPU each part has a second, paler bar for the
            time that its work takes there.

    Returns:
        A ``<section>``.
    """
    whole = float(profile["seconds"])
    parts: Sequence[Mapping[str, Any]] = profile["parts"]
    longest = max((_longest(row) for row in parts), default=0.0) or 1.0
    table = el(
        "table",
        el("thead", _head(), role="rowgroup"),
        el("tbody", *(_part(row, whole, longest) for row in parts), role="rowgroup"),
        class_="chart-bars chart-steps",
        role="table",
    )
    return el(
        "section",
        el("p", _summary(profile), class_="chart-verdict"),
        table,
        el("p", _note(profile), class_="chart-note"),
        el(
            "details",
            el("summary", "Operators that take longest by themselves"),
            el("div", _operators(profile["operators"], whole), class_="chart-scroll"),
        ),
        class_="chart chart-profile",
    )


def _head() -> Markup:
    line = el(
        "div",
        el("span"),
        el("span", "ms"),
        el("span", "share", class_="chart-ci"),
        class_="chart-one",
    )
    cells = ("part of an update", line, "calls")
    return el(
        "tr", *(el("th", cell, scope="col", role="columnheader") for cell in cells), role="row"
    )


def _part(row: Mapping[str, Any], whole: float, longest: float) -> Markup:
    bars = [_bar(row["host_s"], longest, whole, "chart-s1", "")]
    if row["device_s"] is not None:
        bars.append(_bar(row["device_s"], longest, whole, "chart-s5", "on the GPU"))
    return el(
        "tr",
        el("th", row["name"], scope="row", role="rowheader"),
        el("td", *bars, role="cell"),
        el("td", f"{row['calls']:.0f}", class_="chart-share", role="cell"),
        role="row",
    )


def _bar(seconds: float, longest: float, whole: float, color: str, where: str) -> Markup:
    fill = el("span", class_="chart-fill", style=f"width:{100 * seconds / longest:.3f}%")
    return el(
        "div",
        el("span", fill, class_="chart-track"),
        el("span", f"{1000 * seconds:.2f}", class_="chart-number"),
        el("span", f"{percent(seconds / whole)} % {where}".rstrip(), class_="chart-ci"),
        class_=f"chart-one {color}",
    )


def _longest(row: Mapping[str, Any]) -> float:
    return max(float(row["host_s"]), float(row["device_s"] or 0.0))


def _summary(profile: Mapping[str, Any]) -> str:
    seconds, samples = float(profile["seconds"]), profile["samples"]
    return (
        f"{1000 * seconds:.1f} ms an update of {counted(samples, 'sample')}: "
        f"{samples / seconds:.1f} samples/s, {percent(profile['data_wait'])} % of the time "
        "waiting for data"
    )


def _note(profile: Mapping[str, Any]) -> str:
    processes = f"{profile['processes']} processes" if profile["processes"] > 1 else "one process"
    return (
        f"Mean of {counted(profile['steps'], 'update')} on {profile['device']}, "
        f"{profile['precision']}, {processes}, the profiler's own time included. The loader "
        f"by itself: {profile['loader_samples_per_s']:.1f} samples/s with "
        f"{profile['loader_workers']} worker processes. "
        f"Memory: {profile['memory_bytes'] / 2**20:,.0f} MiB at the highest point."
    )


def _operators(rows: Sequence[Mapping[str, Any]], whole: float) -> Markup:
    on_gpu = any(row["device_s"] is not None for row in rows)
    head = ("operator", "calls", "ms", "share %", *(("GPU ms",) if on_gpu else ()))
    body = []
    for row in rows:
        host = row["host_s"]
        cells = [f"{row['calls']:.0f}", f"{1000 * host:.2f}", percent(host / whole)]
        if on_gpu:
            cells.append(f"{1000 * (row['device_s'] or 0):.2f}")
        head_cell = el("th", row["name"], scope="row")
        body.append(el("tr", head_cell, *(el("td", cell) for cell in cells)))
    return el(
        "table",
        el("thead", el("tr", *(el("th", text, scope="col") for text in head))),
        el("tbody", *body),
        class_="chart-table",
    )
