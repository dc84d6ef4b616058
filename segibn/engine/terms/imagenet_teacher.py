"""The frozen ImageNet network that some terms compare the trained one with.

Neither checkpoints nor the optimiser know it; a resumed run builds the same one again.
"""

import logging
import weakref
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segibn.config.backbones import BackboneConfig
from segibn.config.schema import RunConfig
from segibn.devices import image_layout
from segibn.engine.objective import Trainee
from segibn.engine.precision import autocast, choose_dtype
from segibn.errors import CheckpointError, ConfigError
from segibn.models.backbones import build_backbone
from segibn.models.weights.pretrained import load_backbone_weights

logger = logging.getLogger(__name__)


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


def imagenet_teacher(
    name: str, weights: str | None, config: RunConfig, trainee: Trainee
) -> ImageNetTeacher:
    """Build the teacher of the term ``name``, or return another term's with the same weights.

    ``weights``: None = ``model.weights``. ConfigError: there are none for this backbone.
    """
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
        layout = image_layout(trainee.device, config.engine.channels_last)
        backbone = backbone.to(trainee.device, memory_format=layout)
        dtype = choose_dtype(config.engine.precision, trainee.device)
        trainee.shared[key] = ImageNetTeacher(backbone, dtype)
    return trainee.shared[key]


def _build(source: str, config: BackboneConfig) -> nn.Module:
    # Also the plain network where IBN is trained: the shapes of features are the same, and an IBN
    # network filled with a plain one's weights has not seen ImageNet.
    variants = {"ibn_net": (config.ibn,), "torchvision": ("none",)}
    shape = ("name", "output_stride", "stem", "dilate_first")
    plain = BackboneConfig(**{name: getattr(config, name) for name in shape})
    first: CheckpointError | None = None
    for ibn in variants.get(source, (config.ibn, "none")):
        options = (plain if ibn == "none" else config).model_dump()
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
