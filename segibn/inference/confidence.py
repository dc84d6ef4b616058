"""How sure a network is of what it predicted: logits and a label map in, probabilities out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segibn.models.layers import upsample


def predicted_probability(
    views: Sequence[Tensor], pred: Tensor, *, align_corners: bool = False
) -> Tensor:
    """Softmax probability of the predicted class, averaged over views -> (N, H, W) float32.

    Works class by class, so full-size memory is five maps, not K.

    Args:
        views: logits (N, K, h, w) each, of any resolution.
        pred: (N, H, W) class indices below K.
    """
    size = (pred.shape[-2], pred.shape[-1])
    total = torch.zeros(pred.shape, dtype=torch.float32, device=pred.device)
    for view in views:
        chosen = torch.zeros_like(total)
        normalizer = torch.full_like(total, -torch.inf)
        for index in range(view.shape[1]):
            plane = view[:, index : index + 1].float()
            logit = upsample(plane, size, align_corners=align_corners)[:, 0]
            torch.logaddexp(normalizer, logit, out=normalizer)
            torch.where(pred == index, logit, chosen, out=chosen)
        total += chosen.sub_(normalizer).exp_()
    return total.div_(len(views)).clamp_(max=1.0)
