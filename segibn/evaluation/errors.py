"""Does low confidence find the errors: AUROC, AUPRC and FPR95, of pixels, over 65,536 levels.

The measures and the levels are those of the BRAVO challenge (Vu et al., ECCV 2024 workshops), whose
index `bravo_index` is.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import harmonic_mean
from typing import Any

import numpy as np

from segibn.evaluation.confusion import Counts
from segibn.evaluation.measure import Frame, FramePrediction, Metric, confidence_of
from segibn.evaluation.scores import format_percent

LEVELS = 1 << 16


class ErrorDetection(Metric):
    """``sums`` are (2, levels): pixels with a target that are wrong, and right, by confidence."""

    name = "errors"
    about = "whether low confidence finds the errors: AUROC, AUPRC and FPR95 (BRAVO's)"
    needs = "confidence"

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.sums = np.zeros((2, LEVELS), np.int64)

    def of(self, frame: Frame, prediction: FramePrediction) -> Counts:
        """Count one frame, (2, levels); a void prediction is wrong."""
        sure, right = confidence_of(frame, prediction)
        place = np.rint(sure * (LEVELS - 1)).astype(np.int64)
        return np.bincount(right * LEVELS + place, minlength=2 * LEVELS).reshape(2, LEVELS)

    def result(self) -> dict[str, Any]:
        """Return what `detection` finds of right pixels, and AUPRC of wrong ones; fractions."""
        found, turned = detection(*self.sums), detection(*self.sums[::-1, ::-1])
        return {
            "auroc": found["auroc"],
            "auprc_success": found["auprc"],
            "auprc_error": turned["auprc"],
            "fpr95": found["fpr95"],
        }

    @staticmethod
    def table(found: Mapping[str, Any]) -> str:
        """Return the four numbers in a line."""
        titles = {"auroc": "AUROC", "auprc_success": "AUPRC success"}
        titles |= {"auprc_error": "AUPRC error", "fpr95": "FPR95"}
        numbers = [f"{title} {format_percent(found[key])} %" for key, title in titles.items()]
        return f"errors by confidence: {', '.join(numbers)}"


def detection(negatives: Counts, positives: Counts) -> dict[str, float | None]:
    """How well a score, higher for positives, tells them apart, from counts by its level (L,).

    ``auroc``; ``auprc``: average precision; ``fpr95``: share of the negatives that are taken for
    positives where 95 % of these are found. None where one of the two is empty.
    """
    total_negative, total_positive = int(negatives.sum()), int(positives.sum())
    if not total_negative or not total_positive:
        return dict.fromkeys(("auroc", "auprc", "fpr95"))
    false, true = (np.cumsum(counts[::-1]).astype(np.float64) for counts in (negatives, positives))
    fpr, tpr = (np.concatenate([[0.0], counts / counts[-1]]) for counts in (false, true))
    taken = np.maximum(false + true, 1)
    return {
        "auroc": float(np.trapezoid(tpr, fpr)),
        "auprc": float((np.diff(tpr) * (true / taken)).sum()),
        "fpr95": float(fpr[np.searchsorted(tpr, 0.95)]),
    }


def bravo_index(semantic: Mapping[str, float], ood: Iterable[Mapping[str, float]] = ()) -> dict[str, float]:
    """Join values, fractions, to the challenge's: "semantic", "ood" and "index".

    ``semantic``: miou, ece, auroc, auprc_success, auprc_error, fpr95; ``ood``: auroc, auprc and
    fpr95 of each set. Errors are inverted; each is a harmonic mean, the index that of the two.
    """
    better = [1 - v if key in ("ece", "fpr95") else v for key, v in semantic.items()]
    found = {"semantic": harmonic_mean(better)}
    inverted = [1 - v if key == "fpr95" else v for one in ood for key, v in one.items()]
    if inverted:
        found["ood"] = harmonic_mean(inverted)
        found["index"] = harmonic_mean(found.values())
    return found
