"""Across domains: the table, and for each test set the IoU of each class, networks side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from segibn.evaluation.rows import IBN_NAMES
from segibn.report.charts import ClassResults, ClassRow, cross_domain_table, iou_bars
from segibn.report.charts.class_rows import GREY, Color
from segibn.report.charts.markup import Markup, el
from segibn.report.page.content import CrossDomain


def domain_table(table: CrossDomain, colors: Mapping[str, Color], key: str) -> list[Markup]:
    """Draw a table and its bars.

    Args:
        table: its rows; those that hold no classes have no bars.
        colors: name of a class -> RGB, as far as known.
        key: of this table on the page.

    Raises:
        SegibnError: a row is malformed.
    """
    drawn = [Markup(cross_domain_table(table.rows, table.dataset_of, table.published_note))]
    groups: dict[tuple[str, tuple[str, ...]], list[ClassResults]] = {}
    for row in table.rows:
        found = _results(row, colors)
        if found is not None:
            names = tuple(line.name for line in found.rows)
            groups.setdefault((str(row["test"]), names), []).append(found)
    for place, ((test, _), group) in enumerate(groups.items()):
        bars = Markup(iou_bars(group, key=f"{key}-{place}", anchors=False))
        drawn.append(el("details", el("summary", f"IoU of each class on {test}"), bars))
    return drawn


def _results(row: Mapping[str, Any], colors: Mapping[str, Color]) -> ClassResults | None:
    """The classes of one row; None where it holds none, or not what belongs together."""
    names, iou = row.get("class_names"), row.get("iou")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if not isinstance(iou, dict):
        return None
    try:
        pixels = np.asarray(row["confusion"], dtype=np.int64).sum(axis=1)
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    if pixels.shape != (len(names),):
        return None
    total = max(int(pixels.sum()), 1)
    rows = tuple(
        ClassRow(
            name=str(name),
            train_id=index,
            color=colors.get(str(name), GREY),
            iou=_fraction(iou.get(name)),
            pixel_share=int(pixels[index]) / total,
            averaged=iou.get(name) is not None,
        )
        for index, name in enumerate(names)
    )
    return ClassResults(_title(row), rows, _fraction(row["miou"]))


def _title(row: Mapping[str, Any]) -> str:
    ibn = str(row["ibn"])
    parts = (row["train"], row.get("network"), IBN_NAMES.get(ibn, f"IBN-{ibn}"))
    return ", ".join([*(str(part) for part in parts if part), f"seed {row['seed']}"])


def _fraction(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
