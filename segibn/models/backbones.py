"""Every backbone by name: one table from names to networks.

In: a name such as "resnet50" and the IBN variant. Out: a backbone, or a whole classifier as the
published weights have it.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Literal, get_args

from torch import nn

from segibn.models import densenet, resnet
from segibn.models.plans import FullNorm, IbnName, IbnPlan, Switchable

LIGHT = ("mobilenet_v2", "shufflenet_v2")
BACKBONES = (*resnet.LAYOUTS, *densenet.LAYOUTS, *LIGHT)


def ibn_variants(name: str) -> tuple[IbnName, ...]:
    """The variants of IBN that a backbone has, "none" first.

    Raises:
        ValueError: unknown name.
    """
    if name in resnet.LAYOUTS:
        return get_args(IbnName)
    if name in densenet.LAYOUTS:
        return ("none", "a")
    if name in LIGHT:
        return ("none", "b")
    raise ValueError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")


def build_backbone(
    name: str,
    ibn: IbnName = "none",
    output_stride: int = 32,
    *,
    ibn_stages: tuple[int, ...] | None = None,
    ibn_ratio: float | None = None,
    stem: Literal["conv7x7", "conv3x3"] = "conv7x7",
    dilate_first: bool = False,
    ibn_affine: bool = True,
    whitening: Literal["none", "switchable"] = "none",
    switchable: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a backbone: a module with ``feature_specs`` whose output is a dict of features.

    Args:
        name: one of ``BACKBONES``.
        ibn: variant (see ``plans.py``), one of ``ibn_variants(name)``.
        output_stride: 8, 16 or 32 input pixels per pixel of the last feature.
        ibn_stages: stages (1..4) that get it; None = as published, as light networks always are.
        ibn_ratio: share of instance-normalised channels in an IBN, 0..1; None = as published,
            0.5, DenseNets 0.4.
        stem: "conv3x3" is RobustNet's stem of three small convolutions; residual networks only.
        dilate_first: RobustNet's dilation; residual networks only.
        ibn_affine: instance norms of residual networks' variant b have weight and bias.
        whitening: "switchable" puts switchable whitening at the places of these norms.
        switchable: fields of `plans.Switchable`; None = the paper's.

    Raises:
        ValueError: unknown name, or an option that the family does not have.
    """
    _check_variant(name, ibn)
    if name in resnet.LAYOUTS:
        full: FullNorm = "instance" if ibn_affine else "instance_plain"
        full = full if whitening == "none" else Switchable(**(switchable or {}))
        plan = IbnPlan(ibn, ibn_stages, 0.5 if ibn_ratio is None else ibn_ratio, full)
        return resnet.ResNet(
            resnet.LAYOUTS[name], plan, output_stride, stem=stem, dilate_first=dilate_first
        )
    if stem != "conv7x7" or dilate_first:
        raise ValueError(f"{name} has one stem and one dilation; leave out stem and dilate_first")
    if not ibn_affine or whitening != "none":
        raise ValueError(f"{name} has one kind of norm; leave out ibn_affine and whitening")
    if name in LIGHT:
        if (ibn_stages, ibn_ratio) != (None, None):
            raise ValueError(f"{name} has fixed norms; leave out ibn_stages and ibn_ratio")
        return _light().BUILDERS[name](ibn=ibn == "b", output_stride=output_stride)
    return densenet.DenseNet(
        densenet.LAYOUTS[name],
        ibn=ibn == "a",
        output_stride=output_stride,
        stages=densenet.IBN_STAGES if ibn_stages is None else ibn_stages,
        ratio=densenet.IBN_RATIO if ibn_ratio is None else ibn_ratio,
    )


def build_classifier(name: str, num_classes: int = 1000) -> nn.Module:
    """Build a classifier whose state dict has the published keys and shapes.

    Args:
        name: such as "resnet50", "resnet50_ibn_a", "se_resnet101_ibn_a", "densenet121_ibn_a",
            "mobilenet_v2_ibn_b".
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
    _check_variant(network, ibn)
    if network in resnet.LAYOUTS:
        plan = IbnPlan(ibn)  # type: ignore[arg-type]
        return resnet.ResNetClassifier(resnet.LAYOUTS[network], plan, num_classes)
    if network in LIGHT:
        return _light().CLASSIFIERS[network](ibn=ibn == "b", num_classes=num_classes)
    layout = densenet.LAYOUTS[network]
    return densenet.DenseNetClassifier(layout, ibn=ibn == "a", num_classes=num_classes)


def _check_variant(name: str, ibn: str) -> None:
    variants = ibn_variants(name)
    if ibn not in variants:
        raise ValueError(f"{name} has ibn {' and '.join(variants)}, not {ibn}")


def _light() -> ModuleType:
    """Imported where a light network is asked for: torchvision takes a second to load."""
    from segibn.models import light

    return light
