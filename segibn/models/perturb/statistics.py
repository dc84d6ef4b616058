"""Mean and spread of each channel of each sample, features with others in their place, and draws.

At least float32: bfloat16's eight bits do not carry a mean over thousands of pixels.
"""

import torch
from torch import Tensor
from torch.distributions import Beta

EPSILON = 1e-6  # added to variances before the square root, as in MixStyle's official script


def channel_mean(feature: Tensor) -> Tensor:
    """(N, C, h, w) -> mean over the pixels (N, C, 1, 1), at least float32, with gradient."""
    return feature.mean((2, 3), keepdim=True, dtype=torch.promote_types(feature.dtype, torch.float32))


@torch.no_grad()
def channel_moments(feature: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C, h, w) -> mean and sqrt(variance + EPSILON), each (N, C, 1, 1), without gradient."""
    mean = channel_mean(feature)
    # Two plain means: `torch.var_mean` takes twenty times as long on a CPU.
    variance = (feature - mean).square_().mean((2, 3), keepdim=True)
    return mean, (variance + EPSILON).sqrt_()


def rescale(feature: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`feature * scale + shift` in the type and memory layout of the feature (N, C, h, w)."""
    return torch.addcmul(shift, feature.to(scale.dtype), scale).to(feature.dtype)


def happens(probability: float) -> bool:
    """Draw on the host, once for a whole batch, as the methods' official scripts do."""
    return bool(torch.rand(()) < probability)


def mixing_shares(count: int, alpha: float, device: torch.device) -> Tensor:
    """Draw what samples keep of their own, ~ Beta(alpha, alpha): (count, 1, 1, 1) float32."""
    concentration = torch.full((count, 1, 1, 1), alpha, device=device)
    return Beta(concentration, concentration, validate_args=False).sample()
