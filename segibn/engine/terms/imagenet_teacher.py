"""The frozen ImageNet network that some terms compare the trained one with.

In: a run's config. Out: features of plain images, without gradients. It is no part of the trained
network: neither checkpoints nor the optimiser know it, and it is the same in every part of a run,
whatever that starts or goes on from.
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
    """A backbone in evaluation mode whose weights never change.

    Args:
        backbone: on its device, in its layout and with its weights; frozen here.
        dtype: what it computes in.
    """

    def __init__(self, backbone: nn.Module, dtype: torch.dtype) -> None:
        self.backbone = backbone.eval().requires_grad_(False)
        self.dtype = dtype
        self._image: weakref.ref[Tensor] | None = None
        self._features: dict[str, Tensor] = {}

    def features(self, image: Tensor) -> Mapping[str, Tensor]:
        """Compute the features of normalised images.

        Several terms may ask for those of one image: it is computed once, and forgotten together
        with the image.

        Args:
            image: (N, 3, H, W) float; the very tensor is remembered, so it must not be changed.

        Returns:
            "layer1".."layer4", each (N, C, h, w) without gradient.
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
    """Build the teacher of a term, or return the one that another term has with these weights.

    Args:
        name: the term's section of ``generalise``, for messages.
        weights: its ``teacher_weights``; None = ``model.weights``.
        config: of the run.
        trainee: what is trained.

    Raises:
        ConfigError: there are no such weights for this backbone; the message says the fix.
    """
    source = weights or config.model.weights
    key = ("imagenet_teacher", source)
    if key not in trainee.shared:
        advice = f"set generalise.{name}.teacher_weights to torchvision, ibn_net or a file"
        if config.model.backbone.name == "timm":
            raise ConfigError(
                f"generalise.{name}: its frozen network is a residual, dense or light one, and a "
                "backbone of timm has other features; leave it out"
            )
        if source == "none":
            raise ConfigError(f"generalise.{name}: the frozen network needs weights; {advice}")
        try:
            backbone = _build(source, config.model.backbone)
        except CheckpointError as error:
            raise ConfigError(
                f"generalise.{name}: its frozen network cannot be had: {error}\nOr {advice} of a "
                f"{config.model.backbone.name} with or without IBN"
            ) from error
        layout = image_layout(trainee.device, config.engine.channels_last)
        backbone = backbone.to(trainee.device, memory_format=layout)
        dtype = choose_dtype(config.engine.precision, trainee.device)
        trainee.shared[key] = ImageNetTeacher(backbone, dtype)
    return trainee.shared[key]


def _build(source: str, config: BackboneConfig) -> nn.Module:
    """Build a backbone of the trained one's shape that these weights fit whole.

    That may be the plain network where IBN is trained: the shapes of features are the same, and an
    IBN network that was filled with a plain one's weights is none that has seen ImageNet.
    """
    variants = {"ibn_net": (config.ibn,), "torchvision": ("none",)}
    shape = ("name", "output_stride", "stem", "dilate_first")
    plain = BackboneConfig(**{name: getattr(config, name) for name in shape})
    first: CheckpointError | None = None
    for ibn in variants.get(source, (config.ibn, "none")):
        options = (plain if ibn == "none" else config).model_dump()
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, only to be replaced
            backbone = build_backbone(**options)
        try:
            report = load_backbone_weights(backbone, source, config.name, ibn)
        except CheckpointError as error:
            first = first or error
            continue
        logger.info("frozen network: %s", report.summary())
        return backbone
    assert first is not None
    raise first
