"""Agreement of predictions as terms: see `segibn.losses.consistency`."""

import torch
from torch import Tensor

from segibn.config.generalise import ConsistencyConfig, MeanTeacherConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Term, Trainee
from segibn.engine.precision import autocast, choose_dtype
from segibn.losses.consistency import jensen_shannon, ramp_up, teacher_divergence


class ConsistencyTerm(Term):
    """Jensen-Shannon divergence of the coarse logits of the first two views of every image."""

    name = "consistency"
    views = 2

    def __init__(self, section: ConsistencyConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight = section.weight

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over the coarse logits' pixels."""
        first, second, *_ = step.output.coarse_logits.chunk(step.views)
        return jensen_shannon(first, second)


class MeanTeacherTerm(Term):
    """Divergence from what the moving average, in evaluation mode, predicts on plain images."""

    name = "mean_teacher"

    def __init__(self, section: MeanTeacherConfig, config: RunConfig, trainee: Trainee) -> None:
        assert trainee.average is not None  # as the config was checked for
        self.weight, self.threshold = section.weight, section.threshold
        self.teacher = trainee.average.model
        self.dtype = choose_dtype(config.engine.precision, trainee.device)
        length = section.ramp_up_iterations
        self.length = config.optim.iterations // 4 if length is None else length

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over the coarse logits' pixels, times the ramp."""
        with torch.no_grad(), autocast(self.dtype, step.plain.device):
            logits = self.teacher.coarse_logits(step.plain).repeat(step.views, 1, 1, 1)
        divergence = teacher_divergence(step.output.coarse_logits, logits, threshold=self.threshold)
        return ramp_up(step.iteration, self.length) * divergence
