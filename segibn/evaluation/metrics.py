"""Evaluation, step 2: a confusion matrix in, IoU and accuracies out (NumPy only).

mIoU is not one thing. Respected implementations disagree on classes that the targets do not hold
and on predictions that are missing; a ``Policy`` names those choices. All results are fractions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.errors import SegibnError


@dataclass(frozen=True)
class Policy:
    """What a scorer does where implementations disagree."""

    name: str
    """Key in ``POLICIES``."""
    absent: str
    """Signature text: which classes leave the mean, or what they count there."""
    averages: str
    """Which classes enter the mean: "defined" (a target or a prediction has them), "targets"
    (a target has them) or "all"."""
    undefined_iou: float
    """Per-class IoU where intersection and union are both empty."""
    void_prediction: str = "fn"
    """A void prediction on a valid pixel: "fn" (a false negative), "skip" (the pixel is left out
    of everything) or "none" (it cannot occur: an error)."""
    missing_prediction_is_void: bool = False
    """True: a target without a prediction file counts as all void; False: it is an error."""
    folds_unknown_predictions: bool = False
    """True: predicted values outside the classes count as void; False: they are an error."""


_NAN = float("nan")

POLICIES: dict[str, Policy] = {
    # cityscapesScripts evalPixelLevelSemanticLabeling (also mmsegmentation): mean over all classes
    # with a defined IoU.
    "cityscapes": Policy("cityscapes", "skip", "defined", _NAN),
    # bdd100k.eval.run (scalabel): mean over the classes present in the targets of the whole set.
    "bdd100k": Policy(
        "bdd100k",
        "skip-not-in-target",
        "targets",
        0.0,
        missing_prediction_is_void=True,
        folds_unknown_predictions=True,
    ),
    # detectron2 SemSegEvaluator: the same mean; row and column of the void class are cut off, so a
    # pixel predicted void is in neither intersection nor union.
    "detectron2": Policy(
        "detectron2", "skip-not-in-target", "targets", _NAN, void_prediction="skip"
    ),
    # torchvision references/segmentation: mean over all classes, NaN as soon as one is nowhere;
    # its K x K matrix has no place for void predictions.
    "torchvision": Policy("torchvision", "nan", "all", _NAN, void_prediction="none"),
    # hszhao/semseg: mean over all classes, one that is nowhere counts 0.
    "semseg": Policy("semseg", "zero", "all", 0.0),
}
"""Name -> the choices of the implementation that it is named after."""


def policy_named(policy: str) -> Policy:
    """Look a policy up, with an error that lists the known ones."""
    if policy not in POLICIES:
        raise ValueError(f"unknown policy {policy!r}; choose one of {', '.join(POLICIES)}")
    return POLICIES[policy]


def compute_iou(confusion: ArrayLike, policy: str = "cityscapes") -> NDArray[np.float64]:
    """Intersection over union of each class.

    A pixel predicted void counts in the union (false negative), unless the policy says otherwise.
    Pixels with an ignored target are not in the matrix, so they never hurt.

    Args:
        confusion: (K, K+1) or (K, K) counts, rows target; a ``Confusion`` works too.
        policy: key in ``POLICIES``.

    Returns:
        (K,) float64; where intersection and union are empty: ``Policy.undefined_iou``.

    Raises:
        SegibnError: void predictions under a policy that knows none.
    """
    counts, true_positive, per_target, per_pred = _parts(confusion, policy)
    union = per_target + per_pred - true_positive
    iou = np.full(counts.shape[0], policy_named(policy).undefined_iou)
    np.divide(true_positive, union, out=iou, where=union > 0)
    return iou


def averaged_classes(confusion: ArrayLike, policy: str = "cityscapes") -> NDArray[np.bool_]:
    """Say which classes enter the mean IoU: (K,) bool."""
    _, true_positive, per_target, per_pred = _parts(confusion, policy)
    enters = {
        "defined": per_target + per_pred - true_positive > 0,
        "targets": per_target > 0,
        "all": np.ones(per_target.shape, dtype=bool),
    }
    return enters[policy_named(policy).averages]


def compute_miou(confusion: ArrayLike, policy: str = "cityscapes") -> float:
    """Mean IoU over the classes that the policy averages; NaN when there is none."""
    iou = compute_iou(confusion, policy)[averaged_classes(confusion, policy)]
    return float(np.mean(iou)) if iou.size else float("nan")


def one_class_alone(confusion: ArrayLike) -> str:
    """Say that the targets hold pixels of one class only; "" if they hold several or none."""
    _, _, per_target, _ = _parts(confusion, "cityscapes")
    if np.count_nonzero(per_target) != 1:
        return ""
    return (
        "the targets hold one class alone, so a prediction of nothing else scores 100 %: are the "
        "values of the others ignored, or missing in these files?"
    )


def doubt_of_counts(confusion: ArrayLike) -> str:
    """Say why counts are probably not what was meant; "" where nothing speaks against them.

    The targets hold one class, or nearly nothing matches: less than half of what two unrelated maps
    of these classes would share, or than a quarter of an even guess. Wrong encodings and wrong
    pairs look like that.
    """
    counts, true_positive, per_target, per_pred = _parts(confusion, "cityscapes")
    total = int(counts.sum())
    if not total:
        return "no target pixel is of a class: all of them are ignored, and nothing was scored"
    if alone := one_class_alone(confusion):
        return alone
    share = int(true_positive.sum()) / total
    chance = float((per_target / total) @ (per_pred / total))
    if share >= max(chance / 2, 0.25 / len(counts)):
        return ""
    return (
        f"nearly nothing matches: {100 * share:.2f} % of the pixels. Do targets and predictions "
        "belong together, and are both read in their own encoding and classes?"
    )


def pixel_accuracy(confusion: ArrayLike, policy: str = "cityscapes") -> float:
    """Share of the valid pixels that were predicted right.

    Void predictions are wrong where the policy counts them at all.
    """
    counts, true_positive, _, _ = _parts(confusion, policy)
    total = int(counts.sum())
    return int(true_positive.sum()) / total if total else float("nan")


def class_accuracy(confusion: ArrayLike, policy: str = "cityscapes") -> NDArray[np.float64]:
    """Recall of each class, (K,) float64, NaN where no target pixel has the class."""
    counts, true_positive, per_target, _ = _parts(confusion, policy)
    recall = np.full(counts.shape[0], np.nan)
    np.divide(true_positive, per_target, out=recall, where=per_target > 0)
    return recall


def mean_class_accuracy(confusion: ArrayLike, policy: str = "cityscapes") -> float:
    """Mean recall over the classes that the targets hold; NaN when there is none."""
    recall = class_accuracy(confusion, policy)
    present = recall[~np.isnan(recall)]
    return float(np.mean(present)) if present.size else float("nan")


def _parts(
    confusion: ArrayLike, policy: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return counts, diagonal, pixels per target class and pixels per predicted class."""
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[1] - counts.shape[0] not in (0, 1):
        raise ValueError(f"a confusion is (K, K) or (K, K+1); got shape {counts.shape}")
    k = counts.shape[0]
    void = policy_named(policy).void_prediction
    if void == "none" and counts[:, k:].any():
        raise SegibnError(
            f"policy {policy!r} knows no void predictions, but {int(counts[:, k:].sum())} valid "
            "pixels are predicted void; use another policy"
        )
    if void != "fn":
        counts = counts[:, :k]
    return counts, np.diagonal(counts), counts.sum(axis=1), counts[:, :k].sum(axis=0)
