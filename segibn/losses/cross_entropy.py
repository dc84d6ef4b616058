"""Cross-entropy over valid pixels, what its sum is divided by, and online hard example mining.

The divisor depends on the target alone. So a sum over one part of a batch (a micro-batch, a rank)
can be divided by the whole batch's divisor, and the parts add up to loss and gradient of the whole.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.devices import accurate_dtype
from segibn.labels.label_set import FIRST_GROUP, IGNORE_INDEX
from segibn.losses import in_float32


def valid_weight(target: Tensor, *, class_weights: Tensor | None = None) -> Tensor:
    """Sum the class weights (K,) of the valid pixels, or count them: 0-dim, exact, additive."""
    valid = target != IGNORE_INDEX
    accurate = accurate_dtype(target.device)
    if class_weights is None:
        return valid.sum().to(accurate)
    return torch.where(valid, class_weights[torch.where(valid, target, 0).long()], 0).sum(dtype=accurate)


def divide_by_weight(total: Tensor, weight: Tensor) -> Tensor:
    """Divide a sum over pixels by their weight; by one where there is none (the sum is 0 then)."""
    return total / torch.where(weight > 0, weight, 1).to(total.dtype)


@in_float32
def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    normalizer: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy over the valid pixels of the whole batch, by weight of their class.

    With class weights w (K,), all positive, smoothing s and class y a pixel costs
    `-(1 - s) w_y log p_y - s / K sum_k w_k log p_k` (Szegedy et al., arXiv 1512.00567, section 7,
    weighted as torch does). The sum is divided by `normalizer`, by default `valid_weight`.
    """
    target = target.long()  # the one integer type for classes that torch takes on every device
    if class_weights is not None:
        class_weights = class_weights.to(logits.dtype)
    if normalizer is None:
        normalizer = valid_weight(target, class_weights=class_weights)
    options = {"ignore_index": IGNORE_INDEX, "reduction": "sum", "label_smoothing": label_smoothing}
    return divide_by_weight(F.cross_entropy(logits, target, class_weights, **options), normalizer)


@in_float32
def ohem_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    threshold: float = 0.7,
    min_kept: float = 1 / 16,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """OHEM (Shrivastava et al., arXiv 1604.03540) of pixels: mean over the hard ones, by weight.

    Hard are the valid pixels whose true class has a probability below `threshold`, and in any case
    the `min_kept` share of the valid pixels (rounded up) with the lowest, ties included. The mean
    is over the pixels kept: over all valid ones the loss would fade as pixels become easy.
    """
    target = target.long()
    valid = target != IGNORE_INDEX
    if class_weights is not None:
        class_weights = class_weights.to(logits.dtype)
    log_probability = F.log_softmax(logits, dim=1)
    true_class = F.nll_loss(log_probability, target, reduction="none", ignore_index=IGNORE_INDEX)
    hard = _hard_pixels(true_class.detach(), valid, threshold, min_kept)
    if class_weights is None:
        weight = hard.to(logits.dtype)
    else:
        weight = torch.where(hard, class_weights[torch.where(valid, target, 0)], 0)
    cost = weight * true_class
    if label_smoothing:
        if class_weights is not None:
            log_probability = log_probability * class_weights[:, None, None]
        cost = (1 - label_smoothing) * cost + label_smoothing * torch.where(hard, -log_probability.mean(dim=1), 0)
    return divide_by_weight(cost.sum(), weight.sum(dtype=accurate_dtype(weight.device)))


@in_float32
def group_cross_entropy(logits: Tensor, target: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Sum over the pixels of a group, `FIRST_GROUP` + g, of `-log sum_{k in groups[g]} p_k`; 0-dim.

    Pixels known to be of one of several classes: Bevandic et al., arXiv 2108.11224. Logits
    (N, K, H, W), target (N, H, W) integer; other pixels cost nothing.
    """
    if target.device.type == "cpu":  # where looking is free: frames of other sets have none
        told = ((target >= FIRST_GROUP) & (target != IGNORE_INDEX)).flatten(1).any(1)
        logits, target = logits[told], target[told]
    every = logits.logsumexp(1)
    total = 0 * logits.sum()
    for number, members in enumerate(groups):
        cost = every - logits[:, list(members)].logsumexp(1)
        total = total + torch.where(target == FIRST_GROUP + number, cost, 0).sum()
    return total


def _hard_pixels(cost: Tensor, valid: Tensor, threshold: float, min_kept: float) -> Tensor:
    """Choose pixels: (N, H, W) -log p of the true class and which are valid -> (N, H, W) bool."""
    hard = cost > -math.log(threshold)
    most = math.ceil(min_kept * cost.numel())
    if most > 0:
        # As many as could be asked for if all pixels were valid, so that the shape is fixed; how
        # many are asked for is known on the device alone.
        worst = torch.where(valid, cost, -1).flatten().topk(most).values
        asked = (min_kept * valid.sum().to(accurate_dtype(valid.device))).ceil().long().clamp(min=1, max=most)
        hard = hard | (cost >= worst.gather(0, asked[None] - 1))
    return hard & valid
