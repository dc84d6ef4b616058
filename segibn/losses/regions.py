"""Region losses: soft Dice, and Lovasz-softmax as a convex surrogate of the mean IoU.

Dice: Milletari et al., arXiv 1606.04797, section 3, without squares (arXiv 1608.04117). Lovasz:
Berman et al., arXiv 1705.08790; errors in falling order, each weighted by how much the Jaccard loss
grows when its pixel joins.
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
    return (torch.where(present, 1 - dice, 0).sum() / present.sum().clamp(min=1)).to(logits.dtype)


@in_float32
def lovasz_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """Lovasz-softmax over all valid pixels, 0..1, mean over the classes that are present."""
    valid = target != IGNORE_INDEX
    losses, num_present = [], torch.zeros((), dtype=torch.long, device=logits.device)
    for train_id, probability in enumerate(logits.softmax(dim=1).unbind(1)):
        truth = target == train_id
        present = truth.any()
        if present.device.type == "cpu" and not present:
            continue  # a device would have to be waited for; its absent classes count zero below
        error = torch.where(truth, 1 - probability, probability)
        losses.append(torch.where(present, (jaccard_growth(error.detach(), truth, valid) * error).sum(), 0))
        num_present += present
    if not losses:
        return 0 * logits.sum()
    return torch.stack(losses).sum() / num_present.clamp(min=1)


@torch.no_grad()
def jaccard_growth(error: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """How much the Jaccard loss of one class grows as each pixel joins, worst pixel first; else 0.

    `error` is 1 - p on the class's pixels (`truth`, all of them valid), p on the others.
    """
    # By falling error, ignored pixels last; stable. Floats that are not negative are ordered as their
    # bits are, and integers are sorted by radix: on a CPU in a fraction of the time of sorting floats.
    bits = error.abs().view(torch.int32 if error.dtype == torch.float32 else torch.int64)
    order = torch.where(valid, -bits, 1).flatten().argsort(stable=True)
    truth, valid = (mask.flatten().index_select(0, order) for mask in (truth, valid))
    missed = truth.cumsum(0)
    intersection = missed[-1] - missed
    union = missed[-1] + (valid & ~truth).cumsum(0)
    # Differences of 1 - intersection / union in closed form: subtracting neighbours, a millionth
    # apart, would leave a digit or two. A pixel of the class leaves the intersection; another one
    # enlarges the union by one.
    leaves = 1 / union.clamp(min=1).to(error.dtype)
    enlarges = intersection.to(error.dtype) / (union * (union - 1)).clamp(min=1)
    growth = torch.where(truth, leaves, torch.where(valid, enlarges, 0))
    return torch.empty_like(growth).scatter_(0, order, growth).view_as(error)
