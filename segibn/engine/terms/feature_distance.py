"""The ImageNet-feature distance as a term: see `segibn.losses.feature_distance`.

The teacher sees the plain image, the trained network what it was shown; restyling the one and not
the other teaches it that looks do not matter (SHADE, arXiv 2204.02548, compares like this too).
"""

from collections.abc import Sequence

from torch import Tensor

from segibn.config.generalise_objective import FeatureDistanceConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Trainee
from segibn.engine.terms.imagenet_teacher import ImageNetTeacher, imagenet_teacher
from segibn.engine.terms.stateless import Stateless
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


class FeatureDistanceTerm(Stateless):
    """Mean distance from the teacher's feature over the cells that a thing fills.

    Args:
        weight: factor in the loss.
        teacher: the frozen network.
        layer: which feature.
        stride: of that feature.
        classes: train ids of the things.
        min_ratio: least share of a thing in its cell, 0..1.
    """

    name = "feature_distance"

    def __init__(
        self,
        weight: float,
        teacher: ImageNetTeacher,
        *,
        layer: str,
        stride: int,
        classes: Sequence[int],
        min_ratio: float,
    ) -> None:
        self.weight, self.teacher, self.layer = weight, teacher, layer
        self.stride, self.classes, self.min_ratio = stride, classes, min_ratio

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


def build_feature_distance(
    section: FeatureDistanceConfig, config: RunConfig, trainee: Trainee
) -> FeatureDistanceTerm:
    """Build the term.

    Raises:
        ConfigError: no things among the training's classes, or no weights for the teacher.
    """
    return FeatureDistanceTerm(
        section.weight,
        imagenet_teacher("feature_distance", section.teacher_weights, config, trainee),
        layer=section.layer,
        stride=trainee.model.backbone.feature_specs[section.layer].stride,
        classes=find_things(section.classes, trainee.class_names),
        min_ratio=section.min_ratio,
    )


def find_things(wanted: Sequence[str] | None, class_names: Sequence[str]) -> tuple[int, ...]:
    """Find the train ids of the thing classes.

    Args:
        wanted: their names; None = those of the training that are in ``THINGS``.
        class_names: of the training, in the order of train ids.

    Raises:
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
