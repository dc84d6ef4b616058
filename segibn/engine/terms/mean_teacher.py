"""The mean teacher as a term: see `segibn.losses.mean_teacher`.

The moving average predicts on the plain images, in evaluation mode; the trained network, which sees
them restyled and through its dropout, is to agree.
"""

import torch
from torch import Tensor

from segibn.config.generalise_objective import MeanTeacherConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Trainee
from segibn.engine.precision import autocast, choose_dtype
from segibn.engine.terms.stateless import Stateless
from segibn.errors import ConfigError
from segibn.losses.mean_teacher import ramp_up, teacher_divergence
from segibn.models.segmenter import Segmenter


class MeanTeacherTerm(Stateless):
    """Divergence from the moving average's prediction, coming in over the first iterations.

    Args:
        weight: factor in the loss after the ramp.
        teacher: the averaged network, which changes from update to update.
        dtype: what it computes in.
        threshold: least confidence of the teacher, 0..1; None = any.
        length: iterations of the ramp.
    """

    name = "mean_teacher"

    def __init__(
        self,
        weight: float,
        teacher: Segmenter,
        *,
        dtype: torch.dtype,
        threshold: float | None,
        length: int,
    ) -> None:
        self.weight, self.teacher, self.dtype = weight, teacher, dtype
        self.threshold, self.length = threshold, length

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over the coarse logits' pixels, times the ramp."""
        with torch.no_grad(), autocast(self.dtype, step.plain.device):
            logits = self.teacher.coarse_logits(step.plain)
        divergence = teacher_divergence(
            step.output.coarse_logits,
            logits.repeat(step.views, 1, 1, 1),
            threshold=self.threshold,
        )
        return ramp_up(step.iteration, self.length) * divergence


def build_mean_teacher(
    section: MeanTeacherConfig, config: RunConfig, trainee: Trainee
) -> MeanTeacherTerm:
    """Build the term.

    Raises:
        ConfigError: the run keeps no moving average.
    """
    if trainee.average is None:
        raise ConfigError("generalise.mean_teacher needs the moving average: add `ema: {}`")
    length = section.ramp_up_iterations
    return MeanTeacherTerm(
        section.weight,
        trainee.average.model,
        dtype=choose_dtype(config.engine.precision, trainee.device),
        threshold=section.threshold,
        length=config.optim.iterations // 4 if length is None else length,
    )
