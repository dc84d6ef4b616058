"""Backbones and classifiers by one name, with published weights if wanted."""

from typing import Literal

from torch import nn

from segibn.models.backbones import build_backbone, build_classifier
from segibn.models.weights.pretrained import load_backbone_weights, load_classifier_weights


def split_name(name: str) -> tuple[str, str]:
    """Split "resnet50_ibn_a" into ("resnet50", "a"); a plain network's variant is "none"."""
    network, _, variant = name.partition("_ibn_")
    return network, variant or "none"


def release_of(ibn: str) -> Literal["ibn_net", "torchvision"]:
    """Return the release that has weights of a variant."""
    return "torchvision" if ibn == "none" else "ibn_net"


def backbone(
    name: str, *, pretrained: bool | str = False, output_stride: int = 32, **options: object
) -> nn.Module:
    """Build a backbone that maps normalised images to a dict of features.

    Args:
        name: such as "resnet50_ibn_a", "resnet101", "densenet121_ibn_a", "mobilenet_v2_ibn_b".
        pretrained: True = the published ImageNet weights, downloaded once and checked by their
            hash; or the path of a file; False = random.
        output_stride: 8, 16 or 32 input pixels per pixel of the last feature.
        **options: further arguments of ``segibn.models.build_backbone``.

    Returns:
        ``feature_specs`` says channels and stride of each feature.

    Raises:
        ValueError: no such network, or no such option.
        CheckpointError: the weights cannot be had.
    """
    network, ibn = split_name(name)
    module = build_backbone(network, ibn, output_stride, **options)  # type: ignore[arg-type]
    if pretrained:
        source = release_of(ibn) if pretrained is True else str(pretrained)
        load_backbone_weights(module, source, network, ibn)
    return module


def classifier(name: str, *, pretrained: bool = False, num_classes: int = 1000) -> nn.Module:
    """Build an ImageNet classifier with the published parameter names.

    Args:
        name: as for ``backbone``.
        pretrained: True = the published weights, downloaded once and checked by their hash.
        num_classes: number of logits; the published weights have 1000.

    Returns:
        A module: normalised images (N, 3, H, W) -> logits (N, num_classes).

    Raises:
        ValueError: no such network, or ``pretrained`` with another number of classes.
        CheckpointError: there are no such weights, or they cannot be had.
    """
    if pretrained and num_classes != 1000:
        raise ValueError(
            f"the published weights have 1000 classes, not {num_classes}; build it with "
            "pretrained=True and replace its last layer"
        )
    module = build_classifier(name, num_classes)
    if pretrained:
        network, ibn = split_name(name)
        load_classifier_weights(module, release_of(ibn), network, ibn)
    return module
