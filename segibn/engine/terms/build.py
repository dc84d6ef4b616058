"""From the ``generalise`` section to the terms of the objective: names become objects here."""

from collections.abc import Callable
from typing import Any

from segibn.config.schema import RunConfig
from segibn.engine.objective import Objective, Term, Trainee
from segibn.engine.terms.consistency import build_consistency
from segibn.engine.terms.feature_distance import build_feature_distance
from segibn.engine.terms.mean_teacher import build_mean_teacher
from segibn.engine.terms.texture import build_texture
from segibn.engine.terms.whitening import build_whitening

TERMS: dict[str, Callable[[Any, RunConfig, Trainee], Term]] = {
    "whitening": build_whitening,  # first: it takes what the step's own pass left, no later one's
    "feature_distance": build_feature_distance,
    "texture": build_texture,
    "consistency": build_consistency,
    "mean_teacher": build_mean_teacher,
}
"""Section of ``generalise`` -> builder of (the section, the whole config, the trainee)."""


def build_objective(config: RunConfig, trainee: Trainee) -> Objective:
    """Build the terms that are on.

    Raises:
        ConfigError: a term needs what the config does not give.
    """
    sections = {name: getattr(config.generalise, name) for name in TERMS}
    return Objective(
        [
            TERMS[name](section, config, trainee)
            for name, section in sections.items()
            if section is not None
        ]
    )
