"""Backbones and classifiers by name, with published weights if wanted."""

from importlib import import_module
from typing import Any

from torch import nn

from segibn.models.catalog import changed_options, family_of, split_name
from segibn.models.weights.pretrained import load_backbone_weights
from segibn.models.weights.sources import release_of


def build_backbone(name: str, ibn: str = "none", output_stride: int = 32, **options: Any) -> nn.Module:
    """Build a backbone of `catalog.BACKBONES`; options are those of a config's `model.backbone`."""
    changed = changed_options(name, ibn, options)
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride is 8, 16 or 32, got {output_stride}")
    # Imported where one of its networks is asked for: torchvision takes a second to load.
    return import_module(f"segibn.models.{family_of(name).module}").build(name, ibn, output_stride, **changed)


def build_classifier(name: str, num_classes: int = 1000) -> nn.Module:
    """Build a classifier with the published keys; its `forward_features(image)` gives a dict."""
    network = build_backbone(*split_name(name))
    network.add_classifier(num_classes)  # type: ignore[operator]
    return network


def backbone(name: str, *, pretrained: bool | str = False, output_stride: int = 32, **options: object) -> nn.Module:
    """Build a backbone that maps normalised images to a dict of features, see its `feature_specs`.

    `name` is such as "resnet50_ibn_a"; `output_stride` 8, 16 or 32; options as in `model.backbone`.
    `pretrained` is a file, or True for the published ImageNet weights, downloaded once and checked
    by their hash; `CheckpointError` where they cannot be had.
    """
    network, ibn = split_name(name)
    module = build_backbone(network, ibn, output_stride, **options)
    if pretrained:
        load_backbone_weights(module, release_of(ibn) if pretrained is True else str(pretrained), network, ibn)
    return module


def classifier(name: str, *, pretrained: bool = False, num_classes: int = 1000) -> nn.Module:
    """Build an ImageNet classifier: normalised (N, 3, H, W) -> (N, num_classes); see `backbone`."""
    if pretrained and num_classes != 1000:
        fix = "build it with pretrained=True and replace its last layer"
        raise ValueError(f"the published weights have 1000 classes, not {num_classes}; {fix}")
    module = build_classifier(name, num_classes)
    if pretrained:
        network, ibn = split_name(name)
        load_backbone_weights(module, release_of(ibn), network, ibn)
    return module
