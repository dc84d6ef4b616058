"""DeepLabV3 and DeepLabV3+ (Chen et al., 2017 and 2018): atrous spatial pyramid pooling."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.kernels.resize import resize_feature
from segibn.models.layers import Separable, conv3x3_norm_relu, conv_norm_relu, dropout_of, pixel_classifier


class ASPP(nn.Module):
    """Five branches: 1x1, three dilated 3x3, the whole image's mean; concatenated so, then merged.

    Chen et al., "Rethinking Atrous Convolution" (2017), section 3.3. The image branch normalises
    one value per channel and image, so training needs at least two images in a batch.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        rates: tuple[int, ...],
        *,
        separable: Separable = False,
        merge_kernel: int = 1,
    ) -> None:
        super().__init__()
        dilated = partial(conv3x3_norm_relu, in_channels, channels, separable=separable)
        self.branches = nn.ModuleList([conv_norm_relu(in_channels, channels, 1)])
        self.branches.extend(dilated(rate) for rate in rates)
        self.image_pool = conv_norm_relu(in_channels, channels, 1)
        self.merge = conv_norm_relu(channels * (len(rates) + 2), channels, merge_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, channels, h, w)."""
        pooled = self.image_pool(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        if x.is_contiguous(memory_format=torch.channels_last):
            # Joined as it is, it would make channels-first memory of all.
            pooled = pooled.contiguous(memory_format=torch.channels_last)
        return self.merge(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))


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
        separable: Separable = False,
        merge_kernel: int = 1,
    ) -> None:
        super().__init__()
        spec = feature_specs["layer4"]
        self.logits_spec = FeatureSpec(num_classes, spec.stride)
        self.aspp = ASPP(spec.channels, channels, atrous_rates, separable=separable, merge_kernel=merge_kernel)
        self.conv = conv_norm_relu(channels, channels, 3)
        self.dropout = dropout_of(dropout_unit, dropout)
        self.classifier = pixel_classifier(channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of "layer4"."""
        return self.classifier(self.dropout(self.conv(self.aspp(features["layer4"]))))


class DeepLabV3PlusHead(nn.Module):
    """ASPP resized to the first stage, joined with its reduced feature, refined, classified.

    `refine` says where the decoder's two 3x3 convolutions are: both behind the joined features
    (table 2 of the paper), or, "split", the first and the dropout on the ASPP's result, at a
    sixteenth of the cost, as in segmentation_models_pytorch.
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
        separable: Separable = False,
        merge_kernel: int = 1,
        refine: Literal["joined", "split"] = "joined",
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        low = feature_specs["layer1"]
        self.logits_spec = FeatureSpec(num_classes, low.stride)
        pyramid = {"separable": separable, "merge_kernel": merge_kernel}
        self.aspp = ASPP(feature_specs["layer4"].channels, channels, atrous_rates, **pyramid)
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
        context = resize_feature(context, (low.shape[-2], low.shape[-1]), align_corners=self.align_corners)
        x = self.refine(torch.cat([context, low], dim=1))
        return self.classifier(x if self.context is not None else self.dropout(x))
