"""What was measured on frames, as HTML: confusions, calibration, and run against run.

Legend: K classes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from segibn.charts.differences import Difference, difference_chart
from segibn.charts.reliability import reliability_chart
from segibn.charts.style import svg
from segibn.report.templates import percent, render, share

_LISTED = 10  # confusions told as sentences
_CHART_WIDTH = 340.0


def confusion_matrix(counts: ArrayLike, names: Sequence[str], key: str = "confusion") -> Markup:
    """Write a heat table, in per cent of the truth or of the prediction at the reader's choice.

    Cells have ``data-target`` and ``data-pred`` with train ids (or "void"). ``counts``: (K, K+1),
    rows target, the last column void predictions.
    """
    matrix = np.asarray(counts, dtype=np.int64)
    k = len(names)
    if matrix.shape != (k, k + 1):
        raise ValueError(f"{k} names need counts of {(k, k + 1)}; got {matrix.shape}")
    has_void = bool(matrix[:, k].any())
    return render(
        "confusion.html",
        names=names,
        counts=matrix[:, : k + has_void].tolist(),
        of_row=shares_of(matrix, 1).tolist(),
        of_column=shares_of(matrix, 0).tolist(),
        has_void=has_void,
        largest=_largest(matrix),
        key=key,
    )


def shares_of(counts: ArrayLike, axis: int) -> NDArray[np.float64]:
    """Divide by the sums along an axis, 1 = of the row or 0 = of the column; NaN if that is 0."""
    matrix = np.asarray(counts)
    sums = np.broadcast_to(matrix.sum(axis=axis, keepdims=True), matrix.shape)
    shares = np.full(matrix.shape, np.nan)
    np.divide(matrix, sums, out=shares, where=sums > 0)
    return shares


def _largest(matrix: NDArray[np.int64]) -> list[tuple[int, int, int, float, float]]:
    """Those with most pixels: target, pred, pixels, share of the target, share of all errors."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
    sums, errors = matrix.sum(axis=1), max(int(wrong.sum()), 1)
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        (int(t), int(p), count, count / int(sums[t]), count / errors)
        for t, p in places
        if (count := int(wrong[t, p]))
    ]


def differences(comparison: Mapping[str, Any], key: str = "differences") -> Markup:
    """Draw B minus A in points of IoU, coloured where interval and test agree that runs differ.

    ``comparison`` is one of the "comparisons" that ``segibn compare --output`` writes.
    """
    level = float(comparison["level"])
    lines = {"mean (mIoU)": dict(comparison["miou"]), **comparison["classes"]}
    shown, tips = [], []
    for place, (name, line) in enumerate(lines.items()):
        p = line.get("p_holm" if place else "p")
        value, low, high = (
            math.nan if line[end] is None else 100 * line[end]
            for end in ("difference", "low", "high")
        )
        is_shown = p is not None and p <= 1 - level and (low > 0 or high < 0)
        shown.append(Difference(value, low, high, is_shown))
        both = (percent(line["a"]), percent(line["b"]), percent(line["difference"], sign="+"))
        tips.append("{}: A {} %, B {} %, difference {} points".format(name, *both))
    drawing = svg(
        difference_chart(
            {str(comparison["b"]): shown},
            list(lines),
            unit="points of IoU, B minus A",
            has_legend=False,
            width=_CHART_WIDTH,
            tips=tips,
        ),
        key,
        f"IoU of {comparison['b']} minus {comparison['a']}",
    )
    return render("differences.html", c=comparison, level=level, drawing=drawing, lines=lines)


def reliability(calibration: Mapping[str, Any], title: str, key: str = "reliability") -> Markup:
    """Draw accuracy over confidence; ``calibration`` is what ``Calibration.result`` returns."""
    bins = calibration["bins"]
    total = max(sum(one["pixels"] for one in bins), 1)
    tips = []
    for one in bins:
        up_to, sure, right = (percent(one[name]) for name in ("up_to", "confidence", "accuracy"))
        tip = f"up to {up_to} % sure: {share(one['pixels'] / total)} of the pixels"
        tips.append(tip + (f", {sure} % sure and {right} % right" if one["pixels"] else ""))
    told = f"Accuracy over confidence in {len(bins)} bins; the table of the bins follows."
    drawing = svg(reliability_chart(bins, tips), key, title, told)
    return render("reliability.html", title=title, c=calibration, drawing=drawing, total=total)
