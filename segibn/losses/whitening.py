"""Instance whitening of RobustNet: channels of a normalised feature shall not vary together.

Choi et al., CVPR 2021, arXiv 2103.15597. Covariances (N, C, C) of instance-normalised features are
pushed towards 0: all of them above the diagonal (IW), all down to a mean absolute covariance that
is let pass (IRW), or those that a photometric change of the image moves (ISW).
"""

import numpy as np
import torch
from torch import Tensor

from segibn.losses.kmeans import cluster_starts


def instance_covariance(normalized: Tensor) -> Tensor:
    """Covariance of channels of mean 0 over pixels: (N, C, h, w) -> (N, C, C), float32."""
    dtype = torch.float64 if normalized.dtype == torch.float64 else torch.float32
    # a copy: what follows in the network may overwrite the input before the backward pass
    values = normalized.to(dtype, copy=True, memory_format=torch.contiguous_format).flatten(2)
    with torch.autocast(values.device.type, enabled=False):
        return values @ values.mT / values.shape[-1]


def off_diagonal(channels: int, device: torch.device | None = None) -> Tensor:
    """The elements strictly above the diagonal, each pair of channels once -> (C, C) bool."""
    return torch.ones(channels, channels, dtype=torch.bool, device=device).triu(diagonal=1)


def whitening_loss(covariance: Tensor, mask: Tensor, margin: float = 0.0) -> Tensor:
    """Mean absolute covariance of the masked (C, C) elements above a margin, mean over images."""
    count = mask.sum().clamp(min=1)
    total = (covariance.abs() * mask).sum((1, 2))
    return (total / count - margin).clamp(min=0).mean()


def pair_variance(covariance: Tensor, changed: Tensor) -> Tensor:
    """Variance of two numbers, of an image and its changed form, summed over images: (C, C)."""
    return ((covariance - changed) / 2).square().sum(0)


def sensitive_mask(variance: Tensor, clusters: int = 3, insensitive: int = 1) -> Tensor:
    """The elements above the diagonal whose variance is in no low cluster -> (C, C) bool."""
    # k-means over the whole matrix with zeros on and below its diagonal, as in the authors' code
    # (network/cov_settings.py): these pull the lowest cluster down, so that more is whitened.
    values = variance.detach().cpu().double().triu(diagonal=1)
    ordered = np.sort(values.numpy(), axis=None)
    threshold = ordered[cluster_starts(ordered, clusters)[insensitive]]
    return ((values > 0) & (values >= threshold)).to(variance.device)
