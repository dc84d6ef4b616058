"""Mean and spread of each channel of each sample, and features with others in their place.

Computed in float32 (float64 for float64 features) whatever the features' type: under autocast they
are bfloat16, whose eight bits do not carry a mean over thousands of pixels.
"""

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to variances before the square root, as in MixStyle's official script."""


def channel_mean(feature: Tensor) -> Tensor:
    """(N, C, h, w) -> mean over the pixels (N, C, 1, 1), at least float32, with gradient."""
    return feature.mean((2, 3), keepdim=True, dtype=_wide(feature))


@torch.no_grad()
def channel_moments(feature: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the pixels of each channel, without gradient.

    Two plain means: ``torch.var_mean`` takes twenty times as long on a CPU.

    Args:
        feature: (N, C, h, w), any float type.

    Returns:
        Mean and sqrt(population variance + EPSILON), each (N, C, 1, 1), at least float32.
    """
    mean = channel_mean(feature)
    variance = (feature - mean).square_().mean((2, 3), keepdim=True)
    return mean, (variance + EPSILON).sqrt_()


def rescale(feature: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``feature * scale + shift`` in the type and memory layout of the feature.

    Args:
        feature: (N, C, h, w), any float type.
        scale: (N, C, 1, 1), at least float32.
        shift: the same.
    """
    return torch.addcmul(shift, feature.to(scale.dtype), scale).to(feature.dtype)


def _wide(feature: Tensor) -> torch.dtype:
    return torch.promote_types(feature.dtype, torch.float32)
