"""From coarse logits to a full-size label map in little memory."""

import torch
from torch import Tensor

from segibn.models.layers import upsample

NOT_FINITE = 255  # stands in a label map where there is no best class: no network has as many


def banded_argmax(
    coarse: Tensor, size: tuple[int, int], band: int = 1, *, align_corners: bool = False
) -> Tensor:
    """`interpolate(coarse, size).argmax(dim=1)` as uint8, bit by bit, `band` classes at a time.

    K <= 255; of equal logits the first wins; `NOT_FINITE` where one is NaN, or the best infinite.
    """
    best = upsample(coarse[:, :1], size, align_corners=align_corners)[:, 0].clone()
    pred = torch.zeros(best.shape, dtype=torch.uint8, device=coarse.device)
    for start in range(1, coarse.shape[1], band):
        resized = upsample(coarse[:, start : start + band], size, align_corners=align_corners)
        for offset, logits in enumerate(resized.unbind(1)):
            pred.masked_fill_(logits > best, start + offset)
            torch.maximum(best, logits, out=best)  # a NaN stays
    return pred.masked_fill_(~best.isfinite(), NOT_FINITE)
