"""From the ``generalise`` section to the terms of the objective: names become objects here."""

from collections.abc import Callable
from typing import Any

from segibn.config.schema import RunConfig
from segibn.engine.objective import Objective, Term, Trainee
from segibn.engine.terms.consistency import ConsistencyTerm, MeanTeacherTerm
from segibn.engine.terms.feature_distance import FeatureDistanceTerm, TextureTerm
from segibn.engine.terms.whitening import Whitening

TERMS: dict[str, Callable[[Any, RunConfig, Trainee], Term]] = {
    "whitening": Whitening,  # first: it takes what the step's own pass left, no later one's
    "feature_distance": FeatureDistanceTerm,
    "texture": TextureTerm,
    "consistency": ConsistencyTerm,
    "mean_teacher": MeanTeacherTerm,
}
"""Section of ``generalise`` -> what makes a term of (section, whole config, trainee)."""


def build_objective(config: RunConfig, trainee: Trainee) -> Objective:
    """Build the terms that are on; ConfigError if one needs what the config does not give."""
    on = [name for name in TERMS if name in config.generalise.active]
    return Objective([TERMS[name](getattr(config.generalise, name), config, trainee) for name in on])
