"""DeepLabV3's head (Chen et al., 2017): ASPP, a 3x3 convolution and a classifier."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.heads.aspp import ASPP
from segibn.models.layers import conv_norm_relu, dropout_of, pixel_classifier


class DeepLabV3Head(nn.Module):
    """ASPP on the last feature, 3x3 convolution (never separable), dropout, 1x1 classifier."""

    def __init__(
        self,
        feature_specs: Mapping[str, FeatureSpec],
        num_classes: int,
        *,
        channels: int = 256,
        atrous_rates: tuple[int, ...] = (6, 12, 18),
        dropout: float = 0.1,
        dropout_unit: Literal["value", "channel"] = "value",
        separable: bool = False,
    ) -> None:
        super().__init__()
        spec = feature_specs["layer4"]
        self.logits_spec = FeatureSpec(num_classes, spec.stride)
        self.aspp = ASPP(spec.channels, channels, atrous_rates, separable=separable)
        self.conv = conv_norm_relu(channels, channels, 3)
        self.dropout = dropout_of(dropout_unit, dropout)
        self.classifier = pixel_classifier(channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of "layer4"."""
        return self.classifier(self.dropout(self.conv(self.aspp(features["layer4"]))))
