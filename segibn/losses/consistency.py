"""Agreement of the predictions for two views of the same images: Jensen-Shannon divergence.

AugMix (ICLR 2020, arXiv 1912.02781, section 3); for segmentation SHADE's style consistency (ECCV
2022, arXiv 2204.02548). Ours compares the coarse logits, before they are resized.
"""

import math

import torch
from torch import Tensor

from segibn.losses.precision import in_float32


@in_float32
def jensen_shannon(logits: Tensor, other: Tensor) -> Tensor:
    """Mean over all pixels of (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, from 0 to log 2."""
    log_p, log_q = logits.log_softmax(1), other.to(logits.dtype).log_softmax(1)
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    divergence = log_p.exp() * (log_p - log_mean) + log_q.exp() * (log_q - log_mean)
    return divergence.sum(1).mean() / 2
