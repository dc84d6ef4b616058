"""Distances from a frozen ImageNet network as terms: see `segibn.losses.feature_distance`.

Neither checkpoints nor the optimiser know that network; a resumed run builds the same one again.
"""

import logging
import weakref
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from segibn.builders.augment import RESTYLING
from segibn.config.backbones import BackboneConfig
from segibn.config.generalise import FeatureDistanceConfig, TextureConfig
from segibn.config.schema import RunConfig
from segibn.devices import image_layout
from segibn.engine.objective import Step, Term, Trainee
from segibn.engine.precision import autocast, choose_dtype
from segibn.errors import CheckpointError, ConfigError
from segibn.losses.feature_distance import feature_distance, gram_distance, pure_cells
from segibn.models.backbones import build_backbone
from segibn.models.weights.pretrained import load_backbone_weights
from segibn.text import did_you_mean

logger = logging.getLogger(__name__)

THINGS = (
    *("traffic light", "traffic sign", "person", "rider", "car"),
    *("truck", "bus", "train", "motorcycle", "bicycle"),
    *("sign", "pedestrian", "bicyclist"),
)
"""The thing classes of DAFormer's official config, then what schemes of 11 classes call them."""


class ImageNetTeacher:
    """A backbone in evaluation mode whose weights never change, computing in ``dtype``."""

    def __init__(self, backbone: nn.Module, dtype: torch.dtype) -> None:
        self.backbone = backbone.eval().requires_grad_(False)
        self.dtype = dtype
        self._image: weakref.ref[Tensor] | None = None
        self._features: dict[str, Tensor] = {}

    def features(self, image: Tensor) -> Mapping[str, Tensor]:
        """Features "layer1".."layer4", (N, C, h, w) without gradient, of normalised (N, 3, H, W).

        Computed once for all terms, forgotten with that tensor, which must not change meanwhile.
        """
        if self._image is None or self._image() is not image:
            with torch.no_grad(), autocast(self.dtype, image.device):
                features = dict(self.backbone(image))
            self._features = features
            self._image = weakref.ref(image, lambda _: features.clear())
        return self._features


def imagenet_teacher(name: str, weights: str | None, config: RunConfig, trainee: Trainee) -> ImageNetTeacher:
    """Build a term's teacher, or return another's of these weights (None = ``model.weights``)."""
    source = weights or config.model.weights
    key = ("imagenet_teacher", source)
    if key not in trainee.shared:
        if config.model.backbone.name == "timm":
            raise ConfigError(
                f"generalise.{name}: its frozen network is a residual, dense or light one, and a "
                "backbone of timm has other features; leave it out"
            )
        try:
            backbone = _build(source, config.model.backbone)
        except CheckpointError as error:
            raise ConfigError(
                f"generalise.{name}: its frozen network cannot be had: {error}\nOr set "
                f"generalise.{name}.teacher_weights to torchvision, ibn_net or a file of a "
                f"{config.model.backbone.name} with or without IBN"
            ) from error
        backbone = backbone.to(trainee.device, memory_format=image_layout(trainee.device, config.engine.channels_last))
        trainee.shared[key] = ImageNetTeacher(backbone, choose_dtype(config.engine.precision, trainee.device))
    return trainee.shared[key]


def _build(source: str, config: BackboneConfig) -> nn.Module:
    # Also the plain network where IBN is trained: the shapes of features are the same, and an IBN
    # network filled with a plain one's weights has not seen ImageNet.
    shape = ("name", "output_stride", "stem", "dilate_first")
    plain = BackboneConfig(**{name: getattr(config, name) for name in shape})
    first: CheckpointError | None = None
    for ibn in {"ibn_net": (config.ibn,), "torchvision": ("none",)}.get(source, (config.ibn, "none")):
        options = (plain if ibn in ("none", "share") else config).options | {"ibn_ease": 0}
        with torch.random.fork_rng(devices=[]):  # drawn only to be replaced
            backbone = build_backbone(**options)
        try:
            report = load_backbone_weights(backbone, source, config.name, ibn)
        except CheckpointError as error:
            first = first or error
        else:
            logger.info("frozen network: %s", report.summary())
            return backbone
    raise first


class FeatureDistanceTerm(Term):
    """Mean distance from the teacher's feature of the plain image, over cells of things."""

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
        return feature_distance(step.features[self.layer], reference, cells.repeat(step.views, 1, 1))


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
    perturbations of features act in.
    """

    name = "texture"

    def __init__(self, section: TextureConfig, config: RunConfig, trainee: Trainee) -> None:
        self.weight = section.weight
        weights = {f"layer{n}": weight for n, weight in enumerate(section.layer_weights, start=1)}
        self.layer_weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.teacher = imagenet_teacher(self.name, section.teacher_weights, config, trainee)
        self.fade_over = config.optim.iterations if section.fade_out else None
        self.backbone = None if RESTYLING.keys().isdisjoint(config.generalise.active) else trainee.model.backbone

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
