"""DeepLabV3+'s head (Chen et al., 2018): ASPP, then a light decoder with edges from "layer1"."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.heads.aspp import ASPP
from segibn.models.layers import conv_norm_relu, pixel_classifier, upsample


class DeepLabV3PlusHead(nn.Module):
    """ASPP resized to the first stage, joined with its reduced feature, refined, classified.

    Args:
        feature_specs: the backbone's features; reads "layer1" and "layer4".
        num_classes: K.
        channels: channels of every ASPP branch and of the two convolutions of the decoder.
        low_level_channels: channels that the feature of "layer1" is reduced to.
        atrous_rates: dilations of the ASPP; (6, 12, 18) suits output stride 16, twice that 8.
        dropout: probability that a value before the classifier is dropped in training.
        align_corners: how the ASPP's result is resized.

    Attributes:
        logits_spec: channels (K) and stride (that of "layer1") of the logits.
    """

    def __init__(
        self,
        feature_specs: Mapping[str, FeatureSpec],
        num_classes: int,
        *,
        channels: int = 256,
        low_level_channels: int = 48,
        atrous_rates: tuple[int, ...] = (6, 12, 18),
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        low = feature_specs["layer1"]
        self.logits_spec = FeatureSpec(num_classes, low.stride)
        self.aspp = ASPP(feature_specs["layer4"].channels, channels, atrous_rates)
        self.low_level = conv_norm_relu(low.channels, low_level_channels, 1)
        self.refine = nn.Sequential(
            conv_norm_relu(channels + low_level_channels, channels, 3),
            conv_norm_relu(channels, channels, 3),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = pixel_classifier(channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of "layer1"."""
        low = self.low_level(features["layer1"])
        context = upsample(
            self.aspp(features["layer4"]),
            (low.shape[-2], low.shape[-1]),
            align_corners=self.align_corners,
        )
        return self.classifier(self.dropout(self.refine(torch.cat([context, low], dim=1))))
