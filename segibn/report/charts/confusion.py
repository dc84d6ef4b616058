"""The confusion matrix as a heat table, and its largest confusions as sentences.

In: pixel counts. Out: an HTML fragment. Cells show per cent of the row (what became of a class) or,
at the reader's choice and without JavaScript, of the column (what a prediction is worth).

Legend: K classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.report.charts.markup import Markup, anchor, el, join, pixels, share

VOID = "void"
"""``data-pred`` of predictions that are of no class."""
_LISTED = 10


def confusion_matrix(counts: ArrayLike, names: Sequence[str], key: str = "confusion") -> str:
    """Draw the table.

    Cells have ``data-target`` and ``data-pred`` with train ids (or "void"), and rows and columns
    stay named while the table scrolls in its box.

    Args:
        counts: (K, K+1) int64, rows target, the last column void predictions.
        names: K class names.
        key: name of the choice between rows and columns, one of its own for each matrix of a page.

    Returns:
        A ``<section>``.

    Raises:
        ValueError: names and counts do not belong together.
    """
    matrix = np.asarray(counts, dtype=np.int64)
    k = len(names)
    if matrix.shape != (k, k + 1):
        raise ValueError(f"{k} names need counts of {(k, k + 1)}; got {matrix.shape}")
    has_void = bool(matrix[:, k].any())
    shown = matrix if has_void else matrix[:, :k]
    table = el(
        "table",
        el("thead", _head(names, has_void)),
        el("tbody", *_body(shown, names)),
        class_="chart-heat",
    )
    return el(
        "section",
        el("div", _choice(key), class_="chart-tools"),
        el(
            "div",
            table,
            class_="chart-scroll",
            role="region",
            tabindex="0",
            attrs={"aria-label": "Confusion matrix"},
        ),
        el("p", _note(has_void), class_="chart-note"),
        _largest(matrix, names),
        class_="chart chart-confusion",
    )


def shares_of(counts: ArrayLike, axis: int) -> NDArray[np.float64]:
    """Divide by the sums along an axis; NaN where a sum is 0.

    Args:
        counts: (K, K+1) or (K, K).
        axis: 1 = of the row (of the target), 0 = of the column (of the prediction).
    """
    matrix = np.asarray(counts)
    sums = np.broadcast_to(matrix.sum(axis=axis, keepdims=True), matrix.shape)
    result = np.full(matrix.shape, np.nan)
    np.divide(matrix, sums, out=result, where=sums > 0)
    return result


def _head(names: Sequence[str], has_void: bool) -> Markup:
    columns = [*names, "no class"] if has_void else names
    corner = el("th", el("span", "truth ↓ called →"), class_="chart-corner")
    return el(
        "tr", corner, *(el("th", el("span", name), scope="col", title=name) for name in columns)
    )


def _body(matrix: NDArray[np.int64], names: Sequence[str]) -> list[Markup]:
    of_row, of_column = shares_of(matrix, 1), shares_of(matrix, 0)
    lines = []
    for target, name in enumerate(names):
        cells = [
            _cell(matrix, of_row, of_column, names, target, pred) for pred in range(matrix.shape[1])
        ]
        absent = not matrix[target].any()
        head = el("a", name, href=f"#{anchor(name)}")
        lines.append(
            el(
                "tr",
                el("th", head, scope="row", title=f"{name}: absent" if absent else None),
                *cells,
                class_="chart-absent" if absent else None,
                data_class=str(target),
            )
        )
    return lines


def _cell(
    matrix: NDArray[np.int64],
    of_row: NDArray[np.float64],
    of_column: NDArray[np.float64],
    names: Sequence[str],
    target: int,
    pred: int,
) -> Markup:
    count = int(matrix[target, pred])
    place = {"data-target": str(target), "data-pred": _pred_id(pred, names)}
    kind = "chart-right" if pred == target else None
    if not count:
        return el("td", class_=kind, attrs=place)
    row, column = float(of_row[target, pred]), float(of_column[target, pred])
    return el(
        "td",
        el("span", _digits(row), class_="chart-of-row"),
        el("span", _digits(column), class_="chart-of-column"),
        class_=kind,
        title=_sentence(names, target, pred, row, column, count),
        style=f"--r:{row:.4f};--c:{column:.4f}",
        attrs=place,
    )


def _pred_id(pred: int, names: Sequence[str]) -> str:
    return VOID if pred == len(names) else str(pred)


def _called(pred: int, names: Sequence[str]) -> str:
    return "given no class" if pred == len(names) else f"called {names[pred]}"


def _sentence(
    names: Sequence[str], target: int, pred: int, row: float, column: float, count: int
) -> str:
    called = _called(pred, names)
    first = f"of {names[target]}, {share(row)} was {called} ({pixels(count)})"
    return f"{first}; of all that was {called}, {share(column)} is {names[target]}"


def _digits(fraction: float) -> str:
    """Whole per cent; what rounds to none is a dot, so that the large numbers stand out."""
    rounded = f"{100 * fraction:.0f}"
    return "·" if rounded == "0" else rounded


def _choice(key: str) -> Markup:
    texts = {"row": "of the truth (rows add up to 100)", "column": "of the predictions (columns)"}
    labels = []
    for value, text in texts.items():
        radio = el(
            "input",
            attrs={
                "type": "radio",
                "name": f"chart-share-{key}",
                "value": value,
                "checked": "checked" if value == "row" else None,
            },
        )
        labels.append(el("label", radio, text))
    return el("fieldset", el("legend", "Per cent"), *labels, class_="chart-choice")


def _note(has_void: bool) -> str:
    void = "" if has_void else " Every pixel was given a class."
    return f"A dot is less than half a per cent, an empty cell no pixel at all.{void}"


def _largest(matrix: NDArray[np.int64], names: Sequence[str]) -> Markup | None:
    """The confusions with most pixels, as sentences."""
    k = len(names)
    wrong = matrix.copy()
    wrong[np.arange(k), np.arange(k)] = 0
    errors = int(wrong.sum())
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
    sums = matrix.sum(axis=1)
    items = []
    for target, pred in zip(*np.unravel_index(order, wrong.shape), strict=True):
        count = int(wrong[target, pred])
        if count:
            items.append(_item(names, int(target), int(pred), count, int(sums[target]), errors))
    if not items:
        return None
    return el(
        "div",
        el("p", "Largest confusions, by pixels", class_="chart-subtitle"),
        el("ol", *items, class_="chart-sentences"),
    )


def _item(
    names: Sequence[str], target: int, pred: int, count: int, target_pixels: int, errors: int
) -> Markup:
    name = el("a", names[target], href=f"#{anchor(names[target])}")
    called = _called(pred, names)
    text = join(
        (
            "of ", name, f", {share(count / target_pixels)} was {called} ",
            el("span", f"({pixels(count)}, {share(count / errors)} of all errors)",
               class_="chart-unit"),
        )
    )  # fmt: skip
    return el("li", text, data_target=str(target), data_pred=_pred_id(pred, names))
