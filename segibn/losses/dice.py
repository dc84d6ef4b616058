"""Soft Dice: the overlap of predicted and true regions, class by class, made differentiable.

Milletari et al., arXiv 1606.04797, section 3, without squares (Drozdzal et al., arXiv 1608.04117).
"""

import torch
from torch import Tensor

from segibn.devices import accurate_dtype
from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses import in_float32


@in_float32
def dice_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """1 - `(2 sum p [y = k] + smooth) / (sum p + sum [y = k] + smooth)`, over classes present."""
    num_classes = logits.shape[1]
    probability = logits.softmax(dim=1)
    valid = target != IGNORE_INDEX
    # Sums by true class, with a bin more for ignored pixels. In float64: one after the other, a
    # million values would be lost in a float32 sum.
    accurate = accurate_dtype(logits.device)
    bins = torch.where(valid, target, num_classes).long()
    true_class = probability.gather(1, bins.clamp(max=num_classes - 1)[:, None])
    sums = torch.zeros(2, num_classes + 1, dtype=accurate, device=logits.device)
    bins = bins.flatten()
    overlap = sums[0].scatter_add(0, bins, true_class.flatten().to(accurate))[:-1]
    actual = sums[1].scatter_add(0, bins, torch.ones_like(bins, dtype=accurate))[:-1]
    predicted = (probability * valid[:, None].to(probability.dtype)).sum((0, 2, 3))
    dice = (2 * overlap + smooth) / (predicted + actual + smooth)
    present = actual > 0
    mean = torch.where(present, 1 - dice, 0).sum() / present.sum().clamp(min=1)
    return mean.to(logits.dtype)
