"""The contract between any backbone and any head: what each named feature looks like.

A backbone is an `nn.Module` with `feature_specs`; its `forward(image (N, 3, H, W) float)` returns
features (N, channels, ceil(H / stride), ceil(W / stride)) by the same names, which heads read.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class FeatureSpec:
    """Shape of one feature map, independent of the image's size."""

    channels: int
    stride: int  # input pixels per feature pixel, the same in both directions


class Backbone(nn.Module):
    """A backbone whose features are a chain, each computed from the one before by `step`."""

    feature_specs: dict[str, FeatureSpec]  # layer1 .. layer4
    half_spec: FeatureSpec  # of "half", the feature of stride 2 that comes before them
    classifier_name = "fc"  # in the published weights
    classifier_dropout = 0.0
    is_classifier = False

    def step(self, name: str, x: Tensor) -> Tensor:
        """The feature "half" of an image, or another one of the feature before it."""
        raise NotImplementedError

    def stage_of(self, parameter: str) -> int:
        """0 for a parameter of the stem, 1 .. 4 for one that layer1 .. layer4 are computed with."""
        raise NotImplementedError

    @property
    def level_specs(self) -> dict[str, FeatureSpec]:
        """Of "half", which is level 0, and of layer1 .. layer4."""
        return {"half": self.half_spec, **self.feature_specs}

    def walk(self, image: Tensor, last: int = 4) -> dict[str, Tensor]:
        """(N, 3, H, W) normalised RGB -> the features of levels 0 to `last` by name."""
        features, x = {}, image
        for name in list(self.level_specs)[: last + 1]:
            x = features[name] = self.step(name, x)
        return features

    def leave_out_after(self, last: int) -> None:
        """Remove later stages that are modules: DDP stops at parameters without an output."""
        for name in list(self.level_specs)[last + 1 :]:
            if hasattr(self, name):
                delattr(self, name)

    def add_classifier(self, num_classes: int) -> None:
        """Let `forward` return logits (N, num_classes), after global average pooling."""
        layer: nn.Module = nn.Linear(self.feature_specs["layer4"].channels, num_classes)
        if self.classifier_dropout:
            layer = nn.Sequential(nn.Dropout(self.classifier_dropout), layer)
        self.add_module(self.classifier_name, layer)
        self.is_classifier = True

    def forward(self, image: Tensor) -> Any:
        """(N, 3, H, W) normalised RGB -> the features by name, as `feature_specs` says."""
        if self.is_classifier:
            return getattr(self, self.classifier_name)(self.walk(image)["layer4"].mean(dim=(2, 3)))
        return Backbone.forward_features(self, image)

    def forward_features(self, image: Tensor) -> dict[str, Tensor]:
        """The features also of a classifier; in residual and dense networks all inner ones."""
        features = self.walk(image)
        del features["half"]
        return features

    def stages_of_parameters(self) -> dict[str, int]:
        """`stage_of` every parameter, for learning rates that differ by stage."""
        return {name: self.stage_of(name) for name, _ in self.named_parameters()}
