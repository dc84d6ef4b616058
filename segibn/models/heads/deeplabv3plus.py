"""DeepLabV3+'s head (Chen et al., 2018): ASPP, then a light decoder with edges from "layer1"."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.heads.aspp import ASPP
from segibn.models.kernels.resize import resize_feature
from segibn.models.layers import conv3x3_norm_relu, conv_norm_relu, dropout_of, pixel_classifier


class DeepLabV3PlusHead(nn.Module):
    """ASPP resized to the first stage, joined with its reduced feature, refined, classified.

    `refine` says where the decoder's two 3x3 convolutions are. "joined": both where the features
    have been joined (table 2 of the paper). "split": the first on the ASPP's result, at a sixteenth
    of the cost, as in segmentation_models_pytorch, and so is the dropout.
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
        dropout_unit: Literal["value", "channel"] = "value",
        align_corners: bool = False,
        separable: bool = False,
        refine: Literal["joined", "split"] = "joined",
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        low = feature_specs["layer1"]
        self.logits_spec = FeatureSpec(num_classes, low.stride)
        self.aspp = ASPP(
            feature_specs["layer4"].channels, channels, atrous_rates, separable=separable
        )
        conv3x3 = partial(conv3x3_norm_relu, separable=separable)
        self.context = conv3x3(channels, channels) if refine == "split" else None
        self.low_level = conv_norm_relu(low.channels, low_level_channels, 1)
        self.refine = nn.Sequential(conv3x3(channels + low_level_channels, channels))
        if refine == "joined":
            self.refine.append(conv3x3(channels, channels))
        self.dropout = dropout_of(dropout_unit, dropout)
        self.classifier = pixel_classifier(channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of "layer1"."""
        low = self.low_level(features["layer1"])
        context = self.aspp(features["layer4"])
        if self.context is not None:
            context = self.context(self.dropout(context))
        size = (low.shape[-2], low.shape[-1])
        context = resize_feature(context, size, align_corners=self.align_corners)
        x = self.refine(torch.cat([context, low], dim=1))
        return self.classifier(x if self.context is not None else self.dropout(x))
