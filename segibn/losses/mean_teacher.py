"""Agreement with a teacher that is the moving average of the network itself.

Tarvainen and Valpola (NeurIPS 2017, arXiv 1703.01780), by Kullback-Leibler divergence instead of
the squared difference. The threshold is FixMatch's (NeurIPS 2020, arXiv 2001.07685).
"""

import math

import torch
from torch import Tensor

from segibn.losses.precision import in_float32


@in_float32
def teacher_divergence(
    logits: Tensor, teacher_logits: Tensor, *, threshold: float | None = None
) -> Tensor:
    """KL(teacher, student) of logits (N, K, h, w), mean over all pixels, labelled or not.

    The teacher's get no gradient. Pixels where its largest probability is below `threshold` cost
    nothing, but are divided by like the others, so that the loss grows as the teacher gets sure.
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
