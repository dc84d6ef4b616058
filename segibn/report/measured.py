"""What was measured on frames, as HTML: confusions, calibration, and run against run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from segibn.charts.bars import reliability_chart
from segibn.charts.differences import Difference, difference_chart
from segibn.charts.style import svg
from segibn.report.templates import percent, render, share


def confusion_matrix(counts: ArrayLike, names: Sequence[str], key: str = "confusion") -> Markup:
    """Write a heat table of (K, K + 1) counts: rows target, the last column void predictions."""
    matrix, k = np.asarray(counts, dtype=np.int64), len(names)
    has_void = bool(matrix[:, k].any())
    return render(
        "confusion.html",
        names=names,
        counts=matrix[:, : k + has_void].tolist(),
        of_row=_shares_of(matrix, 1).tolist(),
        of_column=_shares_of(matrix, 0).tolist(),
        has_void=has_void,
        largest=_largest(matrix),
        key=key,
    )


def _shares_of(matrix: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    """Divide by the sums along an axis; NaN if that is 0."""
    sums = matrix.sum(axis=axis, keepdims=True)
    return matrix / np.where(sums > 0, sums, np.nan)


def _largest(matrix: NDArray[np.int64]) -> list[tuple[int, int, int, float, float]]:
    """The ten with most pixels: target, pred, pixels, share of the target, share of all errors."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    sums, errors = matrix.sum(axis=1), max(int(wrong.sum()), 1)
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        (int(t), int(p), count, count / int(sums[t]), count / errors) for t, p in places if (count := int(wrong[t, p]))
    ]


def differences(comparison: Mapping[str, Any], key: str = "differences") -> Markup:
    """Draw B minus A in points of IoU, coloured where interval and test agree that runs differ."""
    level = float(comparison["level"])
    lines = {"mean (mIoU)": dict(comparison["miou"]), **comparison["classes"]}
    shown, tips = [], []
    for place, (name, line) in enumerate(lines.items()):
        p = line.get("p_holm" if place else "p")
        value, low, high = (math.nan if line[end] is None else 100 * line[end] for end in ("difference", "low", "high"))
        is_shown = p is not None and p <= 1 - level and (low > 0 or high < 0)
        shown.append(Difference(value, low, high, is_shown))
        both = (percent(line["a"]), percent(line["b"]), percent(line["difference"], sign="+"))
        tips.append("{}: A {} %, B {} %, difference {} points".format(name, *both))
    how = {"unit": "points of IoU, B minus A", "has_legend": False, "width": 340.0, "tips": tips}
    figure = difference_chart({str(comparison["b"]): shown}, list(lines), **how)
    drawing = svg(figure, key, f"IoU of {comparison['b']} minus {comparison['a']}")
    return render("differences.html", c=comparison, level=level, drawing=drawing, lines=lines)


def reliability(calibration: Mapping[str, Any], title: str, key: str = "reliability") -> Markup:
    """Draw accuracy over confidence, of the result of a ``Calibration``."""
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
