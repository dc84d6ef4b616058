"""How far scores depend on which frames a set happens to hold (n frames, K classes, B resamples).

Frames are drawn, not pixels: pixels of one frame are no independent witnesses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from segibn.errors import SegibnError
from segibn.evaluation.confusion import Counts
from segibn.evaluation.metrics import Floats, iou_of, miou_of
from segibn.text import counted

_CHUNK = 1 << 22  # numbers drawn at a time: 32 MiB
_TIE = 1e-12  # differences closer than this are equal, up to the rounding of their division


@dataclass(frozen=True)
class Resampling:
    """How intervals and tests are made; goes into every report."""

    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise SegibnError(f"the level of an interval lies between 0 and 1; got {self.level}")
        if self.resamples < 100:
            raise SegibnError(f"{self.resamples} resamples are too few; give at least 100")


DEFAULT = Resampling()


class ByScore(NamedTuple):
    """Of mIoU and each IoU: bounds, (2,) and (2, K), or p-values, () and (K,); NaN if undefined."""

    miou: Floats
    iou: Floats


def bootstrap_intervals(counts: Counts, policy: str, how: Resampling = DEFAULT) -> ByScore:
    """Percentile bootstrap intervals (Efron 1979) of mIoU and IoU over n frames, at least 2.

    A resample in which a class is undefined does not count for that class.
    """
    sums = resampled_sums(counts, how)
    return ByScore(*(quantile_bounds(of(sums, policy), how.level) for of in (miou_of, iou_of)))


def difference_intervals(a: Counts, b: Counts, policy: str, how: Resampling = DEFAULT) -> ByScore:
    """Percentile intervals of "b minus a"; every resample draws the same frames of both."""
    sums = resampled_sums(np.stack([a, b], axis=1), how)
    gaps = (of(sums[:, 1], policy) - of(sums[:, 0], policy) for of in (miou_of, iou_of))
    return ByScore(*(quantile_bounds(gap, how.level) for gap in gaps))


def permutation_test(a: Counts, b: Counts, policy: str, how: Resampling = DEFAULT) -> ByScore:
    """Two-sided paired permutation test of the difference in mIoU and in each IoU.

    Each frame's two results are exchanged with probability 1/2, B times (Noreen 1989): p is the
    share of exchanges with a difference as large as the real one, (1 + count) / (1 + B), never 0.
    """
    n = len(a)
    moved = (b - a).reshape(n, -1).astype(np.float64)
    draw = partial(np.random.default_rng(how.seed).integers, 2)
    exchanged = np.concatenate(
        [draw(size=(size, n)).astype(np.float64) @ moved for size in _chunks(how.resamples, n)]
    ).reshape(how.resamples, *a.shape[1:])
    totals = a.sum(axis=0), b.sum(axis=0)
    found = []
    for score in (miou_of, iou_of):
        actual = np.abs(score(totals[1], policy) - score(totals[0], policy))
        swapped = score(totals[1] - exchanged, policy) - score(totals[0] + exchanged, policy)
        # An undefined difference counts as a large one: p is rather too large than too small.
        as_large = ~(np.abs(swapped) < actual - _TIE)
        p = (1 + as_large.sum(axis=0)) / (1 + how.resamples)
        found.append(np.where(np.isnan(actual), np.nan, p))
    return ByScore(*found)


def holm_adjusted(p_values: Floats) -> Floats:
    """Adjust the p-values of several questions asked at once (Holm 1979); NaN stays NaN."""
    adjusted = np.full(p_values.shape, np.nan)
    asked = np.flatnonzero(~np.isnan(p_values))
    order = asked[np.argsort(p_values[asked], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def resampled_sums(counts: Counts, how: Resampling) -> Floats:
    """Sum the counts of n frames drawn with replacement: (n, ...) -> (B, ...), whole numbers."""
    n = len(counts)
    if n < 2:
        raise SegibnError(f"{counted(n, 'frame')}: an interval over frames needs at least 2")
    # How often each frame was drawn, times the counts: one matrix product, in chunks. Whole numbers
    # below 2^53 are exact in float64.
    columns = counts.reshape(n, -1).astype(np.float64)
    rng = np.random.default_rng(how.seed)
    parts = []
    for size in _chunks(how.resamples, n):
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        parts.append(times.astype(np.float64) @ columns)
    return np.concatenate(parts).reshape(how.resamples, *counts.shape[1:])


def _chunks(resamples: int, n: int) -> Iterator[int]:
    size = max(1, _CHUNK // n)
    return (min(size, resamples - start) for start in range(0, resamples, size))


def quantile_bounds(samples: Floats, level: float) -> Floats:
    """(B, ...) -> (2, ...): what leaves the same share of the defined samples on either side."""
    tail = (1 - level) / 2
    bounds = np.full((2, *samples.shape[1:]), np.nan)
    defined = ~np.isnan(samples).all(axis=0)
    bounds[:, defined] = np.nanquantile(samples[:, defined], (tail, 1 - tail), axis=0)
    return bounds
