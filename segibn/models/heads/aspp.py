"""Atrous spatial pyramid pooling: one feature seen at several scales side by side."""

import torch
from torch import Tensor, nn

from segibn.models.layers import conv3x3_norm_relu, conv_norm_relu


class ASPP(nn.Module):
    """Five branches: 1x1, three dilated 3x3, the whole image's mean; concatenated so, then merged.

    Chen et al., "Rethinking Atrous Convolution" (2017), section 3.3. The image branch normalises
    one value per channel and image, so training needs at least two images in a batch.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        atrous_rates: tuple[int, ...],
        *,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv_norm_relu(in_channels, channels, 1)])
        self.branches.extend(
            conv3x3_norm_relu(in_channels, channels, rate, separable=separable)
            for rate in atrous_rates
        )
        self.image_pool = conv_norm_relu(in_channels, channels, 1)
        self.merge = conv_norm_relu(channels * (len(atrous_rates) + 2), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, channels, h, w)."""
        pooled = self.image_pool(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        if x.is_contiguous(memory_format=torch.channels_last):
            # Joined as it is, it would make channels-first memory of all.
            pooled = pooled.contiguous(memory_format=torch.channels_last)
        return self.merge(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))
