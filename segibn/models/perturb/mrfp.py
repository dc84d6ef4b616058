"""MRFP: fine structure added by a random network, and noise on the channel statistics.

Udupa et al., CVPR 2024 (arXiv 2311.18331), without MRFP+; values of the authors' released code.
Ours: the network may be narrower; the noise is drawn for each place by itself; a stage's size is
rounded down once, from the feature's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.models.perturb.np_plus import NormalizationPerturbation
from segibn.models.perturb.statistics import happens

# 3x3 convolution, nearest resize, batch norm, ReLU: output channels as a multiple of the network's
# width (of the last one as many as the feature has), dilation, side relative to the feature's.
# Overcomplete: the encoder grows the feature where others shrink it, so that a pixel sees few
# neighbours and fine structure comes out.
_STAGES = (
    *((1, 1, 1.205), (1, 1, 1.446), (2, 2, 1.7352), (4, 2, 2.0)),
    *((2, 1, 2.0), (1, 1, 1.676), (1, 2, 1.3374), (1, 2, 1.0)),
)


@dataclass(frozen=True)
class HighResolutionPerturbation:
    """HRFP: add what an overcomplete network makes of the feature, its weights drawn each time."""

    probability: float
    channels: int | None  # width of the network; None = the feature's own, as in the paper
    gain_std: float  # of its batch norms' random gains; 0.5 in the release

    def noise(self, feature: Tensor) -> Tensor:
        """(N, C, h, w) any float type -> what is to be added, of the same shape, not below 0."""
        return overcomplete(feature, self.draw_weights(feature))

    def draw_weights(self, feature: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Kernels (out, in, 3, 3) by He et al. (fan in), gains (out,) from N(0, gain_std^2)."""
        channels = feature.shape[1]
        width = channels if self.channels is None else self.channels
        outputs = [multiple * width for multiple, _, _ in _STAGES[:-1]] + [channels]
        wide = torch.promote_types(feature.dtype, torch.float32)
        weights = []
        for inside, outside in zip([channels, *outputs[:-1]], outputs, strict=True):
            kernel = torch.randn((outside, inside, 3, 3), device=feature.device) * (2 / (9 * inside)) ** 0.5
            gain = torch.randn(outside, device=feature.device, dtype=wide) * self.gain_std
            weights.append((kernel.to(feature.dtype), gain))
        return weights


@dataclass(frozen=True)
class MultiResolutionPerturbation:
    """MRFP at one place: HRFP of the feature, added to the feature or to its NP+."""

    fine: HighResolutionPerturbation | None
    coarse: NormalizationPerturbation | None

    def __call__(self, feature: Tensor) -> Tensor:
        """(N, C, h, w) any float type -> the same shape, type and layout."""
        result = feature if self.coarse is None else self.coarse(feature)
        if self.fine is not None and happens(self.fine.probability):
            result = (result + self.fine.noise(feature)).to(feature.dtype)
        return result


def overcomplete(feature: Tensor, weights: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Run the random network, with norms of the batch: (N, C, h, w) -> the same, 0 or above."""
    height, width = feature.shape[-2:]
    x = feature
    for (_, dilation, side), (kernel, gain) in zip(_STAGES, weights, strict=True):
        x = F.conv2d(x, kernel, padding=dilation, dilation=dilation)
        size = (int(height * side), int(width * side))
        x = F.interpolate(x, size=size, mode="nearest") if size != x.shape[-2:] else x
        x = F.relu(F.batch_norm(x, None, None, gain, torch.zeros_like(gain), training=True))
    return x
