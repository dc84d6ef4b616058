"""Evaluation, step 2: a confusion matrix in, IoU and accuracies out (NumPy only).

mIoU is not one thing. Respected implementations disagree on classes that the targets do not hold
and on predictions that are missing; a ``Policy`` names those choices. All results are fractions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Policy:
    """What a scorer does where implementations disagree."""

    name: str
    """Key in ``POLICIES``."""
    absent: str
    """Signature text: which classes leave the mean."""
    skips_classes_without_target: bool
    """True: a class that no target pixel has leaves the mean, even when it was predicted."""
    undefined_iou: float
    """Per-class IoU where intersection and union are both empty."""
    missing_prediction_is_void: bool
    """True: a target without a prediction file counts as all void; False: it is an error."""
    folds_unknown_predictions: bool
    """True: predicted values outside the classes count as void; False: they are an error."""


POLICIES: dict[str, Policy] = {
    # cityscapesScripts evalPixelLevelSemanticLabeling: mean over all classes with a defined IoU.
    "cityscapes": Policy("cityscapes", "skip", False, float("nan"), False, False),
    # bdd100k.eval.run (scalabel): mean over the classes present in the targets of the whole set.
    "bdd100k": Policy("bdd100k", "skip-not-in-target", True, 0.0, True, True),
}


def policy_named(policy: str) -> Policy:
    """Look a policy up, with an error that lists the known ones."""
    if policy not in POLICIES:
        raise ValueError(f"unknown policy {policy!r}; choose one of {', '.join(POLICIES)}")
    return POLICIES[policy]


def compute_iou(confusion: ArrayLike, policy: str = "cityscapes") -> NDArray[np.float64]:
    """Intersection over union of each class.

    A pixel predicted void counts in the union (false negative). Pixels with an ignored target are
    not in the matrix, so they never hurt.

    Args:
        confusion: (K, K+1) or (K, K) counts, rows target; a ``Confusion`` works too.
        policy: key in ``POLICIES``.

    Returns:
        (K,) float64; where intersection and union are empty: NaN ("cityscapes") or 0 ("bdd100k").
    """
    counts, true_positive, per_target, per_pred = _parts(confusion)
    union = per_target + per_pred - true_positive
    iou = np.full(counts.shape[0], policy_named(policy).undefined_iou)
    np.divide(true_positive, union, out=iou, where=union > 0)
    return iou


def averaged_classes(confusion: ArrayLike, policy: str = "cityscapes") -> NDArray[np.bool_]:
    """Say which classes enter the mean IoU: (K,) bool."""
    _, true_positive, per_target, per_pred = _parts(confusion)
    if policy_named(policy).skips_classes_without_target:
        return per_target > 0
    return per_target + per_pred - true_positive > 0


def compute_miou(confusion: ArrayLike, policy: str = "cityscapes") -> float:
    """Mean IoU over the classes that the policy averages; NaN when there is none."""
    iou = compute_iou(confusion, policy)[averaged_classes(confusion, policy)]
    return float(np.mean(iou)) if iou.size else float("nan")


def pixel_accuracy(confusion: ArrayLike) -> float:
    """Share of the valid pixels that were predicted right; void predictions are wrong."""
    counts, true_positive, _, _ = _parts(confusion)
    total = int(counts.sum())
    return int(true_positive.sum()) / total if total else float("nan")


def class_accuracy(confusion: ArrayLike) -> NDArray[np.float64]:
    """Recall of each class, (K,) float64, NaN where no target pixel has the class."""
    counts, true_positive, per_target, _ = _parts(confusion)
    recall = np.full(counts.shape[0], np.nan)
    np.divide(true_positive, per_target, out=recall, where=per_target > 0)
    return recall


def mean_class_accuracy(confusion: ArrayLike) -> float:
    """Mean recall over the classes that the targets hold; NaN when there is none."""
    recall = class_accuracy(confusion)
    present = recall[~np.isnan(recall)]
    return float(np.mean(present)) if present.size else float("nan")


def _parts(
    confusion: ArrayLike,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return counts, diagonal, pixels per target class and pixels per predicted class."""
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[1] - counts.shape[0] not in (0, 1):
        raise ValueError(f"a confusion is (K, K) or (K, K+1); got shape {counts.shape}")
    k = counts.shape[0]
    return counts, np.diagonal(counts), counts.sum(axis=1), counts[:, :k].sum(axis=0)
