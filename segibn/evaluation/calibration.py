"""Expected calibration error (Guo et al., ICML 2017) of the probability of the predicted class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segibn.evaluation.confusion import Counts
from segibn.evaluation.measure import Frame, FramePrediction, Metric, confidence_of
from segibn.evaluation.scores import format_percent

BINS = 15  # equal bins (0, 1/15], (1/15, 2/15] ...; the number of the paper and of most later work
_UNIT = 1 << 24
# Confidences are summed as whole multiples of 2^-24, half the last bit of a float32 below 1: sums
# are exact, do not depend on the order of frames or ranks, and hold 5 * 10^11 pixels.


class Calibration(Metric):
    """``sums`` are (3, bins): pixels with a target, right ones, confidence in units of 2^-24."""

    name = "calibration"
    about = "whether the network's confidence is right: expected calibration error, 15 bins"
    needs = "confidence"

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.sums = np.zeros((3, BINS), np.int64)

    def of(self, frame: Frame, prediction: FramePrediction) -> Counts:
        """Count one frame, (3, bins); a void prediction is wrong, a confidence lies in 0..1."""
        sure, right = confidence_of(frame, prediction)
        place = np.searchsorted(np.arange(1, BINS) / BINS, sure, side="left")
        # Sums of whole numbers below 2^53 are exact in float64.
        columns = (None, right, np.rint(sure * _UNIT))
        sums = [np.bincount(place, weights, minlength=BINS) for weights in columns]
        return np.stack(sums).astype(np.int64)

    def result(self) -> dict[str, Any]:
        """Expected and largest gap of accuracy and mean confidence, and the bins; fractions."""
        pixels, right, confidence = self.sums / np.array([[1.0], [1.0], [_UNIT]])
        gaps, filled, total = np.abs(right - confidence), pixels > 0, pixels.sum()
        rows = zip(pixels.tolist(), right.tolist(), confidence.tolist(), strict=True)
        bins = [
            {
                "up_to": (index + 1) / BINS,
                "pixels": int(count),
                "accuracy": correct / count if count else None,
                "confidence": sure / count if count else None,
            }
            for index, (count, correct, sure) in enumerate(rows)
        ]
        return {
            "ece": float(gaps.sum() / total) if total else None,
            "max_error": float((gaps[filled] / pixels[filled]).max()) if total else None,
            "bins": bins,
        }

    @staticmethod
    def table(found: Mapping[str, Any]) -> str:
        """Return the errors, and a line for each bin with pixels."""
        lines = [
            f"calibration: expected error {format_percent(found['ece'])} %, largest "
            f"{format_percent(found['max_error'])} % ({len(found['bins'])} bins)",
            f"{'confidence up to':<16} {'mean %':>8} {'right %':>8} {'pixels':>14}",
        ]
        for row in found["bins"]:
            if row["pixels"]:
                numbers = [f"{format_percent(row[key]):>8}" for key in ("confidence", "accuracy")]
                lines.append(f"{row['up_to']:<16.3f} {' '.join(numbers)} {row['pixels']:>14}")
        return "\n".join(lines)
