"""Consistency of two views as a term: see `segibn.losses.consistency`."""

from torch import Tensor

from segibn.config.generalise_objective import ConsistencyConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Term, Trainee
from segibn.losses.consistency import jensen_shannon


class ConsistencyTerm(Term):
    """Jensen-Shannon divergence of the predictions for the first two views of every image."""

    name = "consistency"
    views = 2

    def __init__(self, section: ConsistencyConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight = section.weight

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over the coarse logits' pixels."""
        first, second, *_ = step.output.coarse_logits.chunk(step.views)
        return jensen_shannon(first, second)
