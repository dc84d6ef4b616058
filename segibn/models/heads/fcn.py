"""Heads on one feature."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.layers import conv_norm_relu, dropout_of, pixel_classifier


class FCNHead(nn.Module):
    """3x3 convolution, batch norm, ReLU, dropout, 1x1 classifier: IBN-Net's at stride 8, the auxiliary on "layer3"."""

    def __init__(
        self,
        feature_specs: Mapping[str, FeatureSpec],
        num_classes: int,
        *,
        channels: int = 512,
        dilation: int = 1,
        dropout: float = 0.1,
        dropout_unit: Literal["value", "channel"] = "value",
        layer: str = "layer4",
    ) -> None:
        super().__init__()
        spec = feature_specs[layer]
        self.layer = layer
        self.logits_spec = FeatureSpec(num_classes, spec.stride)
        self.conv = conv_norm_relu(spec.channels, channels, 3, dilation)
        self.dropout = dropout_of(dropout_unit, dropout)
        self.classifier = pixel_classifier(channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of the feature read."""
        return self.classifier(self.dropout(self.conv(features[self.layer])))


class LinearHead(nn.Module):
    """Batch norm, dropout, 1x1 classifier: what DINOv2 is scored with (arXiv 2304.07193, 7.4)."""

    def __init__(
        self,
        feature_specs: Mapping[str, FeatureSpec],
        num_classes: int,
        *,
        dropout: float = 0.0,
        dropout_unit: Literal["value", "channel"] = "value",
    ) -> None:
        super().__init__()
        spec = feature_specs["layer4"]
        self.logits_spec = FeatureSpec(num_classes, spec.stride)
        self.norm = nn.BatchNorm2d(spec.channels)
        self.dropout = dropout_of(dropout_unit, dropout)
        self.classifier = pixel_classifier(spec.channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of "layer4"."""
        return self.classifier(self.dropout(self.norm(features["layer4"])))
