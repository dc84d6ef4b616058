"""Cross-entropy over valid pixels, and what its sum is divided by.

The divisor depends on the target alone. So a sum over one part of a batch (a micro-batch, a rank)
can be divided by the whole batch's divisor, and the parts add up to loss and gradient of the whole.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.devices import accurate_dtype
from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses import in_float32


def valid_weight(target: Tensor, *, class_weights: Tensor | None = None) -> Tensor:
    """Sum the class weights (K,) of the valid pixels, or count them: 0-dim, exact, additive."""
    valid = target != IGNORE_INDEX
    accurate = accurate_dtype(target.device)
    if class_weights is None:
        return valid.sum().to(accurate)
    weights = class_weights[torch.where(valid, target, 0).long()]
    return torch.where(valid, weights, 0).sum(dtype=accurate)


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
    total = F.cross_entropy(
        logits,
        target,
        weight=class_weights,
        ignore_index=IGNORE_INDEX,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return divide_by_weight(total, normalizer)
