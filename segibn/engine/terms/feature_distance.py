"""The ImageNet-feature distance as a term: see `segibn.losses.feature_distance`.

The teacher sees the plain image, the trained network what it was shown: restyling one of the two
teaches that style does not matter (SHADE, arXiv 2204.02548, compares like this too).
"""

from collections.abc import Sequence

from torch import Tensor

from segibn.config.generalise_objective import FeatureDistanceConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Term, Trainee
from segibn.engine.terms.imagenet_teacher import imagenet_teacher
from segibn.errors import ConfigError
from segibn.losses.feature_distance import feature_distance, pure_cells
from segibn.text import did_you_mean

THINGS = (
    *("traffic light", "traffic sign", "person", "rider", "car"),
    *("truck", "bus", "train", "motorcycle", "bicycle"),
    *("sign", "pedestrian", "bicyclist"),
)
"""The thing classes of DAFormer's official config, and under them what the class schemes of 11
classes call the same things."""


class FeatureDistanceTerm(Term):
    """Mean distance from the teacher's feature over the cells that a thing fills.

    ConfigError: no things among the training's classes, or no weights for the teacher.
    """

    name = "feature_distance"

    def __init__(self, section: FeatureDistanceConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight, self.layer, self.min_ratio = section.weight, section.layer, section.min_ratio
        weights = section.teacher_weights
        self.teacher = imagenet_teacher(self.name, weights, config, trainee)
        self.stride = trainee.model.backbone.feature_specs[section.layer].stride
        self.classes = find_things(section.classes, trainee.class_names)

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over this step's cells of things; 0 if it shows none."""
        count = step.plain.shape[0]  # further views show the same things again
        cells = pure_cells(step.target[:count], self.classes, self.stride, self.min_ratio)
        reference = self.teacher.features(step.plain)[self.layer]
        return feature_distance(
            step.features[self.layer],
            reference.repeat(step.views, 1, 1, 1),
            cells.repeat(step.views, 1, 1),
        )


def find_things(wanted: Sequence[str] | None, class_names: Sequence[str]) -> tuple[int, ...]:
    """Return the train ids of the wanted classes; None = those that are in ``THINGS``.

    ConfigError: an unknown name, or none wanted and no thing there.
    """
    there = f"the training's classes are {', '.join(class_names)}"
    for name in wanted or ():
        if name not in class_names:
            hint = did_you_mean(name, class_names, 1) or f"; {there}"
            raise ConfigError(f"generalise.feature_distance.classes: no class '{name}'{hint}")
    names = THINGS if wanted is None else wanted
    found = tuple(index for index, name in enumerate(class_names) if name in names)
    if not found:
        raise ConfigError(
            "generalise.feature_distance.classes: no class of this training is known to be a "
            f"thing; name those that are. There, {there}"
        )
    return found
