"""Distances from a frozen ImageNet network as terms: see `segibn.losses.feature_distance`."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from segibn.builders.augment import RESTYLING
from segibn.config.generalise import FeatureDistanceConfig, TextureConfig
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step, Term, Trainee
from segibn.engine.precision import autocast
from segibn.engine.terms.imagenet_teacher import imagenet_teacher
from segibn.errors import ConfigError
from segibn.losses.feature_distance import feature_distance, gram_distance, pure_cells
from segibn.text import did_you_mean

THINGS = (
    *("traffic light", "traffic sign", "person", "rider", "car"),
    *("truck", "bus", "train", "motorcycle", "bicycle"),
    *("sign", "pedestrian", "bicyclist"),
)
"""The thing classes of DAFormer's official config, then what schemes of 11 classes call them."""


class FeatureDistanceTerm(Term):
    """Mean distance from the teacher's feature of the plain image, over cells that a thing fills.

    ConfigError: no things among the training's classes, or no weights for the teacher.
    """

    name = "feature_distance"

    def __init__(self, section: FeatureDistanceConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight, self.layer, self.min_ratio = section.weight, section.layer, section.min_ratio
        self.teacher = imagenet_teacher(self.name, section.teacher_weights, config, trainee)
        self.stride = trainee.model.backbone.feature_specs[section.layer].stride
        self.classes = find_things(section.classes, trainee.class_names)

    def __call__(self, step: Step) -> Tensor:
        """Return the mean over this step's cells of things; 0 if it shows none."""
        count = step.plain.shape[0]  # further views show the same things again
        cells = pure_cells(step.target[:count], self.classes, self.stride, self.min_ratio)
        reference = self.teacher.features(step.plain)[self.layer].repeat(step.views, 1, 1, 1)
        return feature_distance(
            step.features[self.layer], reference, cells.repeat(step.views, 1, 1)
        )


def find_things(wanted: Sequence[str] | None, class_names: Sequence[str]) -> tuple[int, ...]:
    """Return the train ids of the wanted classes; None = those that are in ``THINGS``."""
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


class TextureTerm(Term):
    """Weighted sum over layers of the distance of Gram matrices, both of the plain image.

    Where images are restyled, the trained backbone sees the plain ones in a pass of its own, which
    its running statistics take in as well (as in the official script, which trains on both), and
    perturbations of features act in. ConfigError: no weights for the teacher.
    """

    name = "texture"

    def __init__(self, section: TextureConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight = section.weight
        weights = {f"layer{n}": weight for n, weight in enumerate(section.layer_weights, start=1)}
        self.layer_weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.teacher = imagenet_teacher(self.name, section.teacher_weights, config, trainee)
        self.fade_over = config.optim.iterations if section.fade_out else None
        is_plain = RESTYLING.keys().isdisjoint(config.generalise.active)
        self.backbone = None if is_plain else trainee.model.backbone

    def __call__(self, step: Step) -> Tensor:
        """Return the sum over layers, each a mean over the step's images."""
        own, reference = self._own_features(step), self.teacher.features(step.plain)
        parts = [w * gram_distance(own[n], reference[n]) for n, w in self.layer_weights.items()]
        left = 1.0 if self.fade_over is None else max(0.0, 1 - step.iteration / self.fade_over)
        return left * torch.stack(parts).sum()

    def _own_features(self, step: Step) -> Mapping[str, Tensor]:
        """The trained backbone's features of the plain images, with gradients."""
        if self.backbone is None:
            count = step.plain.shape[0]
            return {name: feature[:count] for name, feature in step.features.items()}
        with autocast(self.teacher.dtype, step.plain.device):
            return self.backbone(step.plain)
