"""What ``torch.hub.load`` finds in this repository.

    network = torch.hub.load(REPOSITORY, "resnet50_ibn_a", pretrained=True)      # ImageNet
    network = torch.hub.load(REPOSITORY, "segmenter", "gta5_ibn", checkpoint="last.pt")
    model = torch.hub.load(REPOSITORY, "street_lite")                  # model.predict("street.jpg")
    model = torch.hub.load(REPOSITORY, "predictor", "runs/gta5_ibn")   # one's own

REPOSITORY is the repository's name, or the folder of a checkout with ``source="local"``. The
classifiers have the names, parameter names and outputs of the IBN-Net repository's; DenseNets and
plain networks are here too. They take RGB images (N, 3, H, W) in 0..1, normalised by
mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225).
"""

from collections.abc import Callable as _Callable
from pathlib import Path as _Path

from torch import nn as _nn

from segibn.models.backbones import classifier as _classifier
from segibn.runs.loading import build as _build
from segibn.runs.loading import load as _load
from segibn.runs.trained import TrainedRun as _TrainedRun

dependencies = ["torch", "torchvision", "numpy", "cv2", "PIL", "imagecodecs", "pydantic", "yaml", "rich"]


def segmenter(
    config: str = "gta5_ibn", checkpoint: str | _Path | None = None, weights: str | None = None
) -> _nn.Module:
    """Return a segmentation network in evaluation mode, on the CPU.

    Args:
        config: without a checkpoint: name of a shipped config, or the path of a YAML file.
        checkpoint: a run folder or checkpoint file; it knows its own config.
        weights: without a checkpoint: what the backbone starts from, see ``segibn.build``.

    Returns:
        A module: ``forward`` maps normalised images (N, 3, H, W) to ``.logits`` (N, K, H, W);
        ``predict`` maps uint8 RGB images (N, 3, H, W) to train ids (N, H, W).
    """
    if checkpoint is not None:
        return _load(checkpoint, device="cpu").module
    return _build(config, weights=weights, device="cpu").module


def predictor(run: str | _Path, device: str | None = None) -> _TrainedRun:
    """Return a trained network whose ``predict`` takes pictures; see ``segibn.load``.

    Args:
        run: run folder, checkpoint file, or name of a run.
        device: None = the GPU if there is one.
    """
    return _load(run, device)


def street_lite(device: str | None = None) -> _TrainedRun:
    """Return the shipped network of the 19 Cityscapes classes, see ``predictor``."""
    return _load("street-lite", device)


def drivable_lite(device: str | None = None) -> _TrainedRun:
    """Return the shipped network of BDD100K's drivable area, see ``predictor``."""
    return _load("drivable-lite", device)


def _entry(name: str) -> _Callable[..., _nn.Module]:
    """Make the entry point of a classifier."""

    def entry(pretrained: bool = False, num_classes: int = 1000) -> _nn.Module:
        return _classifier(name, pretrained=pretrained, num_classes=num_classes)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"""Return {name}, an ImageNet classifier.

    Args:
        pretrained: the published weights, downloaded once and checked by their hash.
        num_classes: number of logits; the published weights have 1000.
    """
    return entry


# The reference project's entry points.
resnet18_ibn_a = _entry("resnet18_ibn_a")
resnet34_ibn_a = _entry("resnet34_ibn_a")
resnet50_ibn_a = _entry("resnet50_ibn_a")
resnet101_ibn_a = _entry("resnet101_ibn_a")
resnet18_ibn_b = _entry("resnet18_ibn_b")
resnet34_ibn_b = _entry("resnet34_ibn_b")
resnet50_ibn_b = _entry("resnet50_ibn_b")
resnet101_ibn_b = _entry("resnet101_ibn_b")
resnext101_ibn_a = _entry("resnext101_ibn_a")
se_resnet101_ibn_a = _entry("se_resnet101_ibn_a")
# More whose weights the same release has.
densenet121_ibn_a = _entry("densenet121_ibn_a")
densenet169_ibn_a = _entry("densenet169_ibn_a")
# Without published weights.
resnet152_ibn_a = _entry("resnet152_ibn_a")
resnext152_ibn_a = _entry("resnext152_ibn_a")
se_resnet152_ibn_a = _entry("se_resnet152_ibn_a")
# RobustNet's placement, without published weights for ImageNet.
mobilenet_v2_ibn_b = _entry("mobilenet_v2_ibn_b")
shufflenet_v2_ibn_b = _entry("shufflenet_v2_ibn_b")
