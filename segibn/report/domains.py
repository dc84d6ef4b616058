"""Rows of ``cross_domain.json`` as HTML: a table with small bars, published numbers beside it."""

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from segibn.evaluation.cross_domain import PUBLISHED_INTRO, collect_cells, own_change, published_beside
from segibn.evaluation.deviations import protocol_lines
from segibn.evaluation.rows import Network, check_rows, describe_seeds, is_own_domain
from segibn.evaluation.signatures import signature_lines
from segibn.report.classes import ClassResults, class_rows, grouped_bars
from segibn.report.content import GREY, Color, CrossDomain
from segibn.report.templates import render


def cross_domain_table(table: CrossDomain) -> Markup:
    """Write the table, seeds of one network averaged; SegibnError for a malformed row."""
    rows = table.rows
    check_rows(rows)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    cells = collect_cells(rows)
    means = {test: [scores[test][0].mean for scores in cells.values() if scores.get(test)] for test in tests}
    best = {test: max(found) if len(found) > 1 else math.nan for test, found in means.items()}
    lines = [
        (network, [_cell(network, scores, test, best[test]) for test in tests]) for network, scores in cells.items()
    ]
    trains = dict.fromkeys(network.train for network in cells)
    published: dict[str, Any] = {"rows": []}
    if not table.published_note:
        shown, found, notes = published_beside(cells, tests, table.dataset_of, rows)
        published = {"tests": shown, "rows": found, "intro": PUBLISHED_INTRO, "notes": _blocks(notes)}
    return render(
        "domains.html",
        tests=tests,
        groups=[(train, [line for line in lines if line[0].train == train]) for train in trains],
        seeds=describe_seeds(rows),
        notes=_blocks([*signature_lines(rows), *protocol_lines(rows)]),
        published=published,
        published_note=table.published_note,
    )


def class_bars(table: CrossDomain, colors: Mapping[str, Color], key: str) -> list[tuple[str, Markup]]:
    """Return (test set, bars) of the rows that hold classes; ``key`` is the table's on the page."""
    found = [(str(row["test"]), _results(row, colors)) for row in table.rows]
    known = [(test, results) for test, results in found if results]
    return grouped_bars(known, key, has_anchors=False, has_links=False)


def _cell(network: Network, scores: Mapping[str, Any], test: str, best: float) -> dict[str, Any] | None:
    """One network on one set, over its seeds; fractions."""
    if not (found := scores.get(test)):
        return None
    miou, accuracy, _ = found
    mean, deviation = miou.mean, miou.deviation
    return {
        "text": miou.text().replace("±", " ± "),
        "mean": mean,
        "low": max(0.0, mean - deviation) if deviation else None,
        "high": min(1.0, mean + deviation) if deviation else None,
        "accuracy": accuracy.text(),
        "is_best": mean == best,
        "is_own": is_own_domain(network.train, test),
        "change": own_change(network, scores, test),
    }


def _blocks(lines: Iterable[str]) -> list[tuple[bool, list[str]]]:
    """Lines of Markdown below a table, by whether they are items of a list."""
    found = groupby(filter(None, lines), key=lambda line: line.startswith("- "))
    return [(is_item, [line.removeprefix("- ") for line in part]) for is_item, part in found]


def _results(row: Mapping[str, Any], colors: Mapping[str, Color]) -> ClassResults | None:
    """The classes of one row; None where it holds none, or not what belongs together."""
    names, iou = row.get("class_names"), row.get("iou")
    if not isinstance(names, list) or not isinstance(iou, dict):
        return None
    try:
        pixels = np.asarray(row["confusion"], dtype=np.int64).sum(axis=1)
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    if pixels.shape != (len(names),) or not all(isinstance(name, str) for name in names):
        return None
    palette = [colors.get(name, GREY) for name in names]
    rows = class_rows(names, [_fraction(iou.get(name)) for name in names], pixels, palette)
    network = Network.of(row)
    return ClassResults(f"{network.train}, {network.title}, seed {row['seed']}", rows, _fraction(row["miou"]))


def _fraction(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
