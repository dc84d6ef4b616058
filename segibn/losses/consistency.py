"""Agreement of two predictions for the same pixels, logits (N, K, h, w), labelled or not.

Of two views: Jensen-Shannon divergence as in AugMix (arXiv 1912.02781, section 3) and SHADE's style
consistency (arXiv 2204.02548), here of coarse logits. With a mean teacher (arXiv 1703.01780):
Kullback-Leibler divergence, not squared difference; threshold as in FixMatch (arXiv 2001.07685).
"""

import math

import torch
from torch import Tensor

from segibn.losses import in_float32


@in_float32
def jensen_shannon(logits: Tensor, other: Tensor) -> Tensor:
    """Mean over all pixels of (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, from 0 to log 2."""
    log_p, log_q = logits.log_softmax(1), other.to(logits.dtype).log_softmax(1)
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    divergence = log_p.exp() * (log_p - log_mean) + log_q.exp() * (log_q - log_mean)
    return divergence.sum(1).mean() / 2


@in_float32
def teacher_divergence(logits: Tensor, teacher_logits: Tensor, *, threshold: float | None = None) -> Tensor:
    """KL(teacher, student), mean over all pixels; no gradient to the teacher.

    Pixels where its largest probability is below `threshold` cost nothing, but are divided by like
    the others, so that the loss grows as the teacher gets sure.
    """
    log_student = logits.log_softmax(1)
    log_teacher = teacher_logits.detach().to(logits.dtype).log_softmax(1)
    teacher = log_teacher.exp()
    divergence = (teacher * (log_teacher - log_student)).sum(1)
    if threshold is not None:
        divergence = torch.where(teacher.amax(1) >= threshold, divergence, 0)
    return divergence.mean()


def ramp_up(iteration: int, length: int) -> float:
    """Weight of a term that comes in slowly: exp(-5 (1 - t)^2), t = iteration / length."""
    t = 1.0 if length == 0 else min(1.0, iteration / length)
    return math.exp(-5 * (1 - t) ** 2)
