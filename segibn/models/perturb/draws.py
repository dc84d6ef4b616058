"""What perturbations of features draw at random: whether they act, with whom, and how much.

Everything comes from torch's global generators, which the training seeds for each iteration. Only
the choice whether to act at all is drawn on the host: it decides what is launched, and reading it
from the device would make the host wait.
"""

import torch
from torch import Tensor
from torch.distributions import Beta


def happens(probability: float) -> bool:
    """Draw once for a whole batch, as the methods' official scripts do: True so often.

    Args:
        probability: 0..1; 0 is never, 1 is always.
    """
    return bool(torch.rand(()) < probability)


def mixing_shares(count: int, alpha: float, device: torch.device) -> Tensor:
    """Shares that samples keep of their own, lambda ~ Beta(alpha, alpha): (count, 1, 1, 1) float32.

    Args:
        count: number of samples.
        alpha: above 0; well below 1, most shares are near 0 or 1.
        device: where they are drawn and stay.
    """
    concentration = torch.full((count, 1, 1, 1), alpha, device=device)
    return Beta(concentration, concentration, validate_args=False).sample()


def partners(count: int, device: torch.device) -> Tensor:
    """For each sample the index of the one it is mixed with: (count,) int64, a permutation."""
    return torch.randperm(count, device=device)
