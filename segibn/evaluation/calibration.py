"""Calibration: whether a network that is 80 % sure errs in one case out of five (NumPy only).

In: label maps and the confidence of each pixel, frame after frame. Out: the expected calibration
error (Guo et al., ICML 2017) and the bins behind it. Confidence is the softmax probability of the
class that was predicted.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.labels.label_set import IGNORE_INDEX

BINS = 15
"""Equal bins (0, 1/15], (1/15, 2/15] ...; the number of the paper and of most later work."""
_UNIT = 1 << 24
# Confidences are summed as whole multiples of 2^-24, half the last bit of a float32 below 1: sums
# are exact, do not depend on the order of frames or ranks, and hold 5 * 10^11 pixels.


class Calibration:
    """Streamed sums of a set of frames: memory does not grow with their number.

    Pixels with an ignored target are left out; a void prediction is a wrong one.

    Args:
        bins: how many.

    Attributes:
        sums: (3, bins) int64: pixels, right ones, and confidence in units of 2^-24.
    """

    def __init__(self, bins: int = BINS) -> None:
        if bins < 1:
            raise ValueError(f"calibration needs at least one bin; got {bins}")
        self.bins = bins
        self.sums = np.zeros((3, bins), dtype=np.int64)

    def update(self, target: ArrayLike, pred: ArrayLike, confidence: ArrayLike) -> None:
        """Add one frame.

        Args:
            target: (H, W) train ids or ``IGNORE_INDEX``.
            pred: (H, W) the same.
            confidence: (H, W) float, in 0..1.

        Raises:
            ValueError: shapes differ, or a confidence is not in 0..1.
        """
        target, confidence = np.asarray(target), np.asarray(confidence)
        if confidence.shape != target.shape:
            raise ValueError(f"confidence is {confidence.shape}, but target is {target.shape}")
        valid = target != IGNORE_INDEX
        sure = confidence[valid].astype(np.float64)
        if sure.size == 0:
            return
        if not (sure.min() >= 0 and sure.max() <= 1):  # in this form NaN is refused too
            raise ValueError("confidences are probabilities in 0..1; these are not")
        edges = np.arange(1, self.bins) / self.bins
        place = np.searchsorted(edges, sure, side="left")
        units = np.rint(sure * _UNIT)
        right = (np.asarray(pred)[valid] == target[valid]).astype(np.float64)
        # Sums of whole numbers below 2^53 are exact in float64.
        columns = (None, right, units)
        for row, weights in zip(self.sums, columns, strict=True):
            row += np.bincount(place, weights, minlength=self.bins).astype(np.int64)

    def reduce(self, sum_over_ranks: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        """Replace the sums by those over all ranks; every rank must call it."""
        self.sums = np.asarray(sum_over_ranks(self.sums))

    @property
    def ece(self) -> float:
        """Expected calibration error, a fraction: mean gap of the bins, weighted by pixels."""
        pixels, right, confidence = self._columns()
        total = pixels.sum()
        return float(np.abs(right - confidence).sum() / total) if total else float("nan")

    @property
    def max_error(self) -> float:
        """The largest gap between accuracy and mean confidence of a bin that holds pixels."""
        pixels, right, confidence = self._columns()
        filled = pixels > 0
        gaps = np.abs(right - confidence)[filled] / pixels[filled]
        return float(gaps.max()) if gaps.size else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; means of empty bins are None."""
        pixels, right, confidence = self._columns()
        rows = zip(pixels.tolist(), right.tolist(), confidence.tolist(), strict=True)
        bins = [
            {
                "up_to": (index + 1) / self.bins,
                "pixels": int(count),
                "accuracy": correct / count if count else None,
                "confidence": sure / count if count else None,
            }
            for index, (count, correct, sure) in enumerate(rows)
        ]
        filled = bool(pixels.sum())
        return {
            "ece": self.ece if filled else None,
            "max_error": self.max_error if filled else None,
            "bins": bins,
        }

    def _columns(self) -> NDArray[np.float64]:
        """(3, bins): pixels, right ones, summed confidence."""
        columns: NDArray[np.float64] = self.sums / np.array([[1.0], [1.0], [_UNIT]])
        return columns
