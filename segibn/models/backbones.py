"""Every backbone by name: one table from names to networks.

In: a name such as "resnet50" and the IBN variant. Out: a backbone, or a whole classifier as the
published weights have it.
"""

from typing import Literal, get_args

from torch import nn

from segibn.models import densenet, resnet
from segibn.models.plans import IbnName, IbnPlan

BACKBONES = (*resnet.LAYOUTS, *densenet.LAYOUTS)


def build_backbone(
    name: str,
    ibn: IbnName = "none",
    output_stride: int = 32,
    *,
    ibn_stages: tuple[int, ...] | None = None,
    ibn_ratio: float | None = None,
    stem: Literal["conv7x7", "conv3x3"] = "conv7x7",
    dilate_first: bool = False,
) -> nn.Module:
    """Build a backbone: a module with ``feature_specs`` whose output is a dict of features.

    Args:
        name: one of ``BACKBONES``.
        ibn: variant (see ``plans.py``); DenseNets have "none" and "a".
        output_stride: 8, 16 or 32 input pixels per pixel of the last feature.
        ibn_stages: stages (1..4) that get it; None = as published.
        ibn_ratio: share of instance-normalised channels in an IBN, 0..1; None = as published,
            0.5, DenseNets 0.4.
        stem: "conv3x3" is RobustNet's stem of three small convolutions; residual networks only.
        dilate_first: RobustNet's dilation; residual networks only.

    Raises:
        ValueError: unknown name, or an option that the family does not have.
    """
    if name in resnet.LAYOUTS:
        plan = IbnPlan(ibn, ibn_stages, 0.5 if ibn_ratio is None else ibn_ratio)
        return resnet.ResNet(
            resnet.LAYOUTS[name], plan, output_stride, stem=stem, dilate_first=dilate_first
        )
    layout = _dense_layout(name, ibn)
    if stem != "conv7x7" or dilate_first:
        raise ValueError(f"{name} has one stem and one dilation; leave out stem and dilate_first")
    return densenet.DenseNet(
        layout,
        ibn=ibn == "a",
        output_stride=output_stride,
        stages=densenet.IBN_STAGES if ibn_stages is None else ibn_stages,
        ratio=densenet.IBN_RATIO if ibn_ratio is None else ibn_ratio,
    )


def build_classifier(name: str, num_classes: int = 1000) -> nn.Module:
    """Build a classifier whose state dict has the published keys and shapes.

    Args:
        name: such as "resnet50", "resnet50_ibn_a", "se_resnet101_ibn_a", "densenet121_ibn_a".
        num_classes: number of logits.

    Returns:
        A module: ``forward(image)`` gives logits (N, num_classes), ``forward_features(image)`` a
        dict of the inner features.

    Raises:
        ValueError: unknown name.
    """
    network, _, variant = name.partition("_ibn_")
    if variant not in get_args(IbnName) and "_ibn_" in name:
        raise ValueError(f"{name}: there is no variant {variant!r} of IBN")
    ibn = variant or "none"
    if network in resnet.LAYOUTS:
        plan = IbnPlan(ibn)  # type: ignore[arg-type]
        return resnet.ResNetClassifier(resnet.LAYOUTS[network], plan, num_classes)
    layout = _dense_layout(network, ibn)
    return densenet.DenseNetClassifier(layout, ibn=ibn == "a", num_classes=num_classes)


def _dense_layout(name: str, ibn: str) -> densenet.DenseNetLayout:
    if name not in densenet.LAYOUTS:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")
    if ibn not in ("none", "a"):
        raise ValueError(f"{name} has ibn none and a, not {ibn}: it has no residual addition")
    return densenet.LAYOUTS[name]
