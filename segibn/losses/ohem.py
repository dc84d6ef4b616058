"""Online hard example mining: cross-entropy over the pixels that the network still gets wrong.

Shrivastava et al., arXiv 1604.03540, for regions; for pixels in the form that driving scenes use.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.devices import accurate_dtype
from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses import in_float32
from segibn.losses.cross_entropy import divide_by_weight


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
    """Mean cross-entropy over the hard pixels of the batch, by weight of their class.

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
        spread = -log_probability.mean(dim=1)
        cost = (1 - label_smoothing) * cost + label_smoothing * torch.where(hard, spread, 0)
    return divide_by_weight(cost.sum(), weight.sum(dtype=accurate_dtype(weight.device)))


def _hard_pixels(cost: Tensor, valid: Tensor, threshold: float, min_kept: float) -> Tensor:
    """Choose pixels: (N, H, W) -log p of the true class and which are valid -> (N, H, W) bool."""
    hard = cost > -math.log(threshold)
    most = math.ceil(min_kept * cost.numel())
    if most > 0:
        # As many as could be asked for if all pixels were valid, so that the shape is fixed; how
        # many are asked for is known on the device alone.
        worst = torch.where(valid, cost, -1).flatten().topk(most).values
        share = min_kept * valid.sum().to(accurate_dtype(valid.device))
        asked = share.ceil().long().clamp(min=1, max=most)
        hard = hard | (cost >= worst.gather(0, asked[None] - 1))
    return hard & valid
