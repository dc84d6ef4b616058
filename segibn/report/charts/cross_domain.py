"""The cross-domain table with small bars, and published numbers kept apart from ours.

In: rows as ``segibn.evaluation.cross_domain`` has them. Out: an HTML fragment.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segibn.evaluation.cross_domain import (
    PUBLISHED_INTRO,
    Cells,
    collect_cells,
    mean_miou,
    own_miou,
    protocol_of,
    published_beside,
    published_protocols,
)
from segibn.evaluation.deviations import protocol_lines
from segibn.evaluation.published import PublishedRow
from segibn.evaluation.rows import (
    Network,
    check_rows,
    describe_seeds,
    is_own_domain,
    mean_and_deviation,
    mean_and_spread,
)
from segibn.evaluation.signatures import signature_lines
from segibn.report.charts.markup import DASH, Markup, el, join, signed
from segibn.text import counted

_SPANS = re.compile(r"\*\*(?P<strong>.+?)\*\*|`(?P<code>[^`]+)`")


def cross_domain_table(
    rows: Sequence[Mapping[str, Any]],
    dataset_of: Mapping[str, str] | None = None,
    published_note: str = "",
) -> str:
    """Draw the table.

    Args:
        rows: what ``cross_domain.json`` holds; seeds of one network are averaged.
        dataset_of: domain -> data set that published numbers are looked for under, as in
            ``conditions.json``.
        published_note: a sentence in place of published numbers, likewise.

    Returns:
        A ``<section>``.

    Raises:
        SegibnError: a row is incomplete, doubled or not in fractions.
    """
    check_rows(rows)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    cells = collect_cells(rows)
    legend = (
        f"mIoU in %, {describe_seeds(rows)}; bars from 0 to 100 %. Below them: change of mIoU "
        "relative to the same network's score on its own domain, and pixel accuracy in %. The best "
        "of each column is bold."
    )
    return el(
        "section",
        _scrolling(_table(cells, tests), "Cross-domain table"),
        el("p", legend, class_="chart-note"),
        _notes([*signature_lines(rows), *protocol_lines(rows)]),
        _published(cells, tests, dataset_of or {}, published_note, protocol_of(rows)),
        class_="chart chart-cross",
    )


def _table(cells: Cells, tests: Sequence[str]) -> Markup:
    head = el("tr", *(el("th", text, scope="col") for text in ("network", *tests)))
    best = {test: _best(cells, test) for test in tests}
    body: list[Markup] = []
    trains = list(dict.fromkeys(network.train for network in cells))
    for train in trains:
        title = el("th", "trained on ", el("b", train), colspan=len(tests) + 1, scope="rowgroup")
        body.append(el("tr", title, class_="chart-group"))
        body += [_line(network, cells, tests, best) for network in cells if network.train == train]
    return el("table", el("thead", head), el("tbody", *body), class_="chart-table chart-domains")


def _best(cells: Cells, test: str) -> float:
    """The highest mean of a column; NaN where there is nothing to compare."""
    means = [mean_miou(scores[test]) for scores in cells.values() if scores.get(test)]
    return max(means) if len(means) > 1 else math.nan


def _line(
    network: Network, cells: Cells, tests: Sequence[str], best: Mapping[str, float]
) -> Markup:
    reference = own_miou(network, cells[network])
    shown = []
    for test in tests:
        own = is_own_domain(network.train, test)
        scores = cells[network].get(test, [])
        shown.append(_cell(scores, reference, own, best[test]))
    return el("tr", el("th", _words(network.title), scope="row"), *shown)


def _words(title: str) -> Markup:
    """A network's name, broken after a comma only: a line that ends in "IBN-" reads badly."""
    return Markup(", ".join(el("span", word, class_="chart-word") for word in title.split(", ")))


def _cell(
    scores: Sequence[tuple[float, float]], reference: float, own: bool, best: float
) -> Markup:
    """One network on one set: number, bar, and what it means."""
    if not scores:
        return el("td", DASH, class_="chart-absent")
    miou = [score[0] for score in scores]
    mean, deviation = mean_and_deviation(miou)
    is_best = mean == best
    number = el("b" if is_best else "span", mean_and_spread(miou).replace("±", " ± "))
    accuracy = f"acc {mean_and_spread([score[1] for score in scores])}"
    small = el(
        "span", _change(mean, reference, own), " ", el("span", accuracy), class_="chart-unit"
    )
    return el("td", number, _bar(mean, deviation), small, class_="chart-own" if own else None)


def _bar(mean: float, deviation: float) -> Markup:
    fill = el("span", class_="chart-fill", style=f"width:{100 * mean:.3f}%")
    whisker = None
    if deviation:
        low, high = max(0.0, mean - deviation), min(1.0, mean + deviation)
        place = f"left:{100 * low:.3f}%;width:{100 * (high - low):.3f}%"
        whisker = el("span", class_="chart-whisker", style=place)
    hidden = {"aria-hidden": "true"}
    return el("span", fill, whisker, class_="chart-track chart-s1", attrs=hidden)


def _change(mean: float, reference: float, own: bool) -> Markup | None:
    if own:
        return el("span", "own domain")
    if math.isnan(reference) or reference == 0:
        return None
    change = (mean - reference) / reference
    text = signed(change) + " %"
    return el("span", text, class_="chart-bad" if change < 0 else "chart-good")


def _published(
    cells: Cells,
    tests: Sequence[str],
    dataset_of: Mapping[str, str],
    note: str,
    ours: str | None,
) -> Markup | None:
    if note:
        return el("p", note, class_="chart-note")
    shown, found = published_beside(cells, tests, dataset_of)
    if not found:
        return None
    columns = ("trained on", "network", *shown, "source")
    head = [
        el("th", text, scope="col", class_="chart-text" if text in ("network", "source") else None)
        for text in columns
    ]
    table = el(
        "table",
        el("thead", el("tr", *head)),
        el("tbody", *(_published_line(row, values, shown) for row, values in found)),
        class_="chart-table chart-published",
    )
    return el(
        "details",
        el("summary", f"Published by others: {counted(len(found), 'row')}, mIoU in %"),
        el("p", el("b", PUBLISHED_INTRO), class_="chart-note"),
        _scrolling(table, "Published numbers"),
        _notes(published_protocols(found, ours)),
        class_="chart-others",
    )


def _published_line(row: PublishedRow, values: Mapping[str, float], shown: Sequence[str]) -> Markup:
    numbers = [f"{values[test]:.2f}" if test in values else DASH for test in shown]
    return el(
        "tr",
        el("th", row.train, scope="row"),
        el("td", _words(row.title), class_="chart-text chart-words"),
        *(el("td", number) for number in numbers),
        el("td", f"{row.source} [{row.protocol}]", class_="chart-text"),
    )


def _scrolling(table: Markup, label: str) -> Markup:
    return el(
        "div",
        table,
        class_="chart-scroll",
        role="region",
        tabindex="0",
        attrs={"aria-label": label},
    )


def _notes(lines: Iterable[str]) -> Markup | None:
    """Turn the Markdown that tables carry below them into HTML: paragraphs, items, bold, code."""
    blocks: list[Markup] = []
    items: list[Markup] = []
    for line in [*lines, ""]:
        if line.startswith("- "):
            items.append(el("li", _spans(line.removeprefix("- "))))
            continue
        if items:
            blocks.append(el("ul", *items))
            items = []
        if line:
            blocks.append(el("p", _spans(line)))
    return el("div", *blocks, class_="chart-note") if blocks else None


def _spans(text: str) -> Markup:
    parts: list[object] = []
    end = 0
    for match in _SPANS.finditer(text):
        parts.append(text[end : match.start()])
        kind = match.lastgroup or "code"
        parts.append(el(kind, match[kind]))
        end = match.end()
    return join((*parts, text[end:]))
