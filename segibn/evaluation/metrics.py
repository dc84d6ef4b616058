"""Evaluation, step 2: pixel counts in, IoU and accuracies out, as fractions.

A ``Policy`` names what implementations disagree on. ``..._of`` take counts (..., 4, K), integers or
whole floats, of a set, every frame or every resample; see ``class_counts``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.errors import SegibnError
from segibn.evaluation.confusion import Counts

Floats = NDArray[np.float64]
FIELDS = ("true_positive", "target", "pred", "void")
"""Pixels of a class: found; of the target; predicted, where the target is any class; of the target,
but predicted void (part of ``target``).
"""


@dataclass(frozen=True)
class Policy:
    """What a scorer does where implementations disagree."""

    absent: str  # signature text: which classes leave the mean, or what they count there
    averages: str  # which classes enter the mean: "defined" (in either map), "targets" (in a target) or "all"
    undefined_iou: float  # per-class IoU where intersection and union are both empty
    void_prediction: str = "fn"  # void on a valid pixel: "fn" (false negative), "skip" (left out) or "none" (an error)
    lacking_is_void: bool = False
    """Missing prediction files and predicted values that are no class are void, else errors."""


POLICIES: dict[str, Policy] = {
    # cityscapesScripts evalPixelLevelSemanticLabeling, mmsegmentation: classes with a defined IoU.
    "cityscapes": Policy("skip", "defined", np.nan),
    # bdd100k.eval.run (scalabel): mean over the classes present in the targets of the whole set.
    "bdd100k": Policy("skip-not-in-target", "targets", 0.0, lacking_is_void=True),
    # detectron2 SemSegEvaluator: the same mean; row and column of the void class are cut off, so a
    # pixel predicted void is in neither intersection nor union.
    "detectron2": Policy("skip-not-in-target", "targets", np.nan, "skip"),
    # torchvision references/segmentation: mean over all classes, NaN as soon as one is nowhere;
    # its K x K matrix has no place for void predictions.
    "torchvision": Policy("nan", "all", np.nan, "none"),
    # hszhao/semseg: mean over all classes, one that is nowhere counts 0.
    "semseg": Policy("zero", "all", 0.0),
}
"""Name -> the choices of the implementation that it is named after."""


def policy_named(policy: str) -> Policy:
    """Look a policy up; the error lists the known ones."""
    if policy not in POLICIES:
        raise ValueError(f"unknown policy {policy!r}; choose one of {', '.join(POLICIES)}")
    return POLICIES[policy]


def class_counts(confusion: ArrayLike) -> Counts:
    """(K, K+1) or (K, K) counts, rows target, last column void -> (4, K), rows ``FIELDS``."""
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[1] - counts.shape[0] not in (0, 1):
        raise ValueError(f"a confusion is (K, K) or (K, K+1); got shape {counts.shape}")
    k = len(counts)
    square, void = counts[:, :k], counts[:, k:].sum(axis=1)
    fields = (np.diagonal(square), counts.sum(axis=1), square.sum(axis=0), void)
    return np.stack(fields).astype(np.int64)


def iou_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Intersection over union of each class, (..., K); undefined: ``Policy.undefined_iou``."""
    true_positive, target, pred = _parts(counts, policy)
    union = target + pred - true_positive
    return ratio_of(true_positive, union, policy_named(policy).undefined_iou)


def averaged_of(counts: ArrayLike, policy: str = "cityscapes") -> NDArray[np.bool_]:
    """Which classes enter the mean IoU, (..., K)."""
    true_positive, target, pred = _parts(counts, policy)
    enters: dict[str, NDArray[np.bool_]] = {
        "defined": target + pred - true_positive > 0,
        "targets": target > 0,
        "all": np.ones(target.shape, bool),
    }
    return enters[policy_named(policy).averages]


def miou_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Mean IoU over the classes that the policy averages, (...); NaN where there is none."""
    averaged = averaged_of(counts, policy)
    iou = np.where(averaged, iou_of(counts, policy), 0.0)
    return ratio_of(iou.sum(axis=-1), averaged.sum(axis=-1))


def recall_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Share of a class's target pixels that are found, (..., K); NaN without target pixels."""
    true_positive, target, _ = _parts(counts, policy)
    return ratio_of(true_positive, target)


def accuracy_of(counts: ArrayLike, policy: str = "cityscapes") -> Floats:
    """Share of the valid pixels that are predicted right, (...); void is wrong, if it counts."""
    true_positive, target, _ = _parts(counts, policy)
    return ratio_of(true_positive.sum(axis=-1), target.sum(axis=-1))


def compute_iou(confusion: ArrayLike, policy: str = "cityscapes") -> Floats:
    """(K, K+1) or (K, K) counts, rows target -> (K,); see ``iou_of``."""
    return iou_of(class_counts(confusion), policy)


def compute_miou(confusion: ArrayLike, policy: str = "cityscapes") -> float:
    """Mean IoU over the classes that the policy averages; NaN when there is none."""
    counts = class_counts(confusion)
    iou = iou_of(counts, policy)[averaged_of(counts, policy)]
    # The mean of what enters, not of zeros too as in ``miou_of``: that has another last digit.
    return float(np.mean(iou)) if iou.size else np.nan


def rates(counts: ArrayLike, policy: str, frames: ArrayLike | None = None) -> dict[str, Any]:
    """Return what goes beside the IoU of a set: means as floats, classes as (K,) arrays.

    Precision is NaN without predictions, F1 (Dice) where neither map has a class; IoU weighted by
    frequency is that of Long et al. (CVPR 2015). ``frames``, (n, 4, K), give ``image_miou``.
    """
    true_positive, target, pred = _parts(counts, policy)
    precision = ratio_of(true_positive, pred)
    f1 = ratio_of(2 * true_positive, target + pred)
    iou = ratio_of(true_positive, target + pred - true_positive, 0.0)
    by_image = {} if frames is None else {"image_miou": mean_defined(miou_of(frames, policy))}
    return by_image | {
        "frequency_weighted_iou": float(ratio_of((target * iou).sum(), target.sum())),
        "mean_precision": mean_defined(precision),
        "mean_f1": mean_defined(f1),
        "class_precision": precision,
        "class_f1": f1,
    }


def one_class_alone(confusion: ArrayLike) -> str:
    """Say that the targets hold pixels of one class only; "" if they hold several or none."""
    if np.count_nonzero(class_counts(confusion)[1]) != 1:
        return ""
    return (
        "the targets hold one class alone, so a prediction of nothing else scores 100 %: are the "
        "values of the others ignored, or missing in these files?"
    )


def doubt_of_counts(confusion: ArrayLike) -> str:
    """Say why counts are probably not what was meant; "" where nothing speaks against them."""
    true_positive, target, pred, _ = class_counts(confusion)
    total = int(target.sum())
    if not total:
        return "no target pixel is of a class: all of them are ignored, and nothing was scored"
    if alone := one_class_alone(confusion):
        return alone
    # Less than half of what two unrelated maps of these classes would share, or than a quarter of
    # an even guess: wrong encodings and wrong pairs look like that.
    share = int(true_positive.sum()) / total
    chance = float((target / total) @ (pred / total))
    if share >= max(chance / 2, 0.25 / len(target)):
        return ""
    return (
        f"nearly nothing matches: {100 * share:.2f} % of the pixels. Do targets and predictions "
        "belong together, and are both read in their own encoding and classes?"
    )


def mean_defined(values: Floats) -> float:
    """Mean of the values that are not NaN, NaN when there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else np.nan


def ratio_of(above: NDArray[Any], below: NDArray[Any], undefined: float = np.nan) -> Floats:
    """Divide; ``undefined`` where the divisor is 0."""
    result = np.full(np.shape(below), undefined)
    np.divide(above, below, out=result, where=below > 0)
    return result


def _parts(counts: ArrayLike, policy: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return true positives, target and predicted pixels, (..., K) each, under the policy."""
    true_positive, target, pred, void = np.moveaxis(np.asarray(counts), -2, 0)
    rule = policy_named(policy).void_prediction
    if rule == "none" and void.any():
        raise SegibnError(
            f"policy {policy!r} knows no void predictions, but {int(void.sum())} valid pixels are "
            "predicted void; use another policy"
        )
    return true_positive, target if rule == "fn" else target - void, pred
