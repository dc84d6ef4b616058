"""Normalization Perturbation: noise on channels' mean and spread, NP and NP+ (arXiv 2211.04393)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from segibn.models.perturb.statistics import channel_mean, happens, rescale

_SMALLEST = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class NormalizationPerturbation:
    """Multiply every channel's mean by beta and what varies about it by alpha.

    NP draws both from N(1, sigma^2) for each sample and channel. NP+ gives beta less noise where
    style matters less: sigma times `adaptive_scale` times the channel's `batch_spread`.
    """

    probability: float
    sigma: float  # 0.75 in the paper
    adaptive: bool  # True is NP+, False is NP
    adaptive_scale: float  # 1.5 as NP+ is written in MRFP's official script

    def __call__(self, feature: Tensor) -> Tensor:
        """(N, C, h, w) any float type -> the same shape, type and layout."""
        if not happens(self.probability):
            return feature
        mean = channel_mean(feature)
        alpha = 1 + self.sigma * torch.randn_like(mean)
        noise = self.sigma * torch.randn_like(mean)
        if self.adaptive:
            noise *= self.adaptive_scale * batch_spread(mean)
        return rescale(feature, alpha, (1 + noise - alpha) * mean)


@torch.no_grad()
def batch_spread(mean: Tensor) -> Tensor:
    """Spread of a channel's mean (N, C, 1, 1) over the samples, relative to the largest: 0..1."""
    # Without gradient, unlike the official scripts.
    deviation = mean.std(0, correction=0, keepdim=True)
    return deviation / deviation.amax().clamp(min=_SMALLEST)
