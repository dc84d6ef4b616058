"""Scores from the four counts of each class, of one set or of thousands at once (NumPy only).

In: counts (..., 4, K) as ``frame_counts`` has them: of a set, of every frame, of every resample.
Out: the same numbers as ``metrics`` finds from a confusion, and the rates that IoU hides: precision
(what a class's predictions are worth), recall, F1 (their harmonic mean, also called Dice).

Legend: K classes; "..." any leading axes. Counts may be integers or whole float64 numbers.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.errors import SegibnError
from segibn.evaluation.metrics import policy_named

Floats = NDArray[np.float64]


def iou_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Intersection over union of each class, (..., K); undefined ones as in ``metrics``."""
    true_positive, target, pred = _parts(counts, policy)
    return ratio_of(
        true_positive, target + pred - true_positive, policy_named(policy).undefined_iou
    )


def miou_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Mean IoU over the classes that the policy averages, (...); NaN where there is none."""
    true_positive, target, pred = _parts(counts, policy)
    union = target + pred - true_positive
    rules = policy_named(policy)
    enters = {"defined": union > 0, "targets": target > 0, "all": np.ones(union.shape, bool)}
    averaged = enters[rules.averages]
    iou = np.where(averaged, ratio_of(true_positive, union, rules.undefined_iou), 0.0)
    return ratio_of(iou.sum(axis=-1), averaged.sum(axis=-1))


def precision_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Share of a class's predictions that are right, (..., K); NaN without predictions."""
    true_positive, _, pred = _parts(counts, policy)
    return ratio_of(true_positive, pred)


def f1_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Harmonic mean of precision and recall, (..., K); NaN where neither map has the class."""
    true_positive, target, pred = _parts(counts, policy)
    return ratio_of(2 * true_positive, target + pred)


def frequency_weighted_iou_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """IoU weighted by each class's share of the target pixels, (...); NaN without pixels.

    As in Long et al. (FCN, CVPR 2015). Classes without target pixels have no weight.
    """
    true_positive, target, pred = _parts(counts, policy)
    iou = ratio_of(true_positive, target + pred - true_positive, 0.0)
    return ratio_of((target * iou).sum(axis=-1), target.sum(axis=-1))


def image_miou_of(frames: ArrayLike, policy: str = "cityscapes") -> float:
    """Mean over the frames of the mIoU of each frame: small objects and odd frames weigh more.

    Each frame averages the classes that the policy averages there; frames without valid pixels are
    left out.

    Args:
        frames: (n, 4, K) counts of each frame.
        policy: key in ``metrics.POLICIES``.
    """
    miou = miou_of(frames, policy)
    return mean_defined(miou)


def mean_defined(values: Floats) -> float:
    """Mean of the values that are numbers, NaN when there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def rates(counts: ArrayLike, policy: str, frames: ArrayLike | None = None) -> dict[str, Any]:
    """Return what goes beside the IoU of a set: means as floats, classes as (K,) arrays.

    Args:
        counts: (4, K) of the set.
        policy: key in ``metrics.POLICIES``.
        frames: (n, 4, K) of each frame; without them there is no ``image_miou``.
    """
    precision, f1 = precision_of(counts, policy), f1_of(counts, policy)
    found: dict[str, Any] = {
        "frequency_weighted_iou": float(frequency_weighted_iou_of(counts, policy)),
        "mean_precision": mean_defined(precision),
        "mean_f1": mean_defined(f1),
        "class_precision": precision,
        "class_f1": f1,
    }
    if frames is not None:
        found = {"image_miou": image_miou_of(frames, policy)} | found
    return found


def _parts(counts: ArrayLike, policy: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return true positives, target and predicted pixels, (..., K) each, under the policy."""
    array = np.asarray(counts)
    true_positive, target, pred, void = np.moveaxis(array, -2, 0)
    rule = policy_named(policy).void_prediction
    if rule == "none" and void.any():
        raise SegibnError(
            f"policy {policy!r} knows no void predictions, but there are some; use another policy"
        )
    return true_positive, target if rule == "fn" else target - void, pred


def ratio_of(above: NDArray[Any], below: NDArray[Any], undefined: float = float("nan")) -> Floats:
    """Divide; ``undefined`` where the divisor is 0."""
    result = np.full(np.shape(below), undefined)
    np.divide(above, below, out=result, where=below > 0)
    return result
