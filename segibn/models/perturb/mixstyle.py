"""MixStyle: each sample gets channel statistics between its own and another sample's.

Zhou et al., "Domain Generalization with MixStyle", ICLR 2021 (arXiv 2104.02008).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from segibn.models.perturb.statistics import channel_moments, happens, mixing_shares, rescale


def mix_statistics(feature: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Equations 4 to 6 of the paper, for statistics that gradients do not see.

    `feature` (N, C, h, w) of any float type; `partner` (N,) int64, whom each sample is mixed with;
    `share` (N, 1, 1, 1) float32, 0..1: how much of its own statistics it keeps.
    """
    mean, std = channel_moments(feature)
    mixed_mean = mean[partner].lerp(mean, share.to(mean.dtype))
    scale = std[partner].lerp(std, share.to(std.dtype)) / std
    return rescale(feature, scale, mixed_mean - mean * scale)


@dataclass(frozen=True)
class MixStyle:
    """Mix the mean and standard deviation of every channel between random pairs of samples.

    With lambda of the sample's own and 1 - lambda of its partner's.
    """

    probability: float
    alpha: float
    mix = staticmethod(mix_statistics)

    def __call__(self, feature: Tensor) -> Tensor:
        """(N, C, h, w) any float type -> the same shape, type and layout; one sample stays."""
        count = feature.shape[0]
        if count == 1 or not happens(self.probability):
            return feature
        share = mixing_shares(count, self.alpha, feature.device)
        return self.mix(feature, torch.randperm(count, device=feature.device), share)
