"""Which samples of a batch are changed, and which two belong together."""

from collections.abc import Callable

import torch
from torch import Tensor


def change_some(image: Tensor, probability: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change each sample of (N, 3, H, W) with a probability, by `change` of its index."""
    everyone = torch.arange(len(image), device=image.device)
    if probability >= 1.0:
        return change(everyone)
    chosen = torch.rand(len(image), device=image.device) < probability
    if image.device.type != "cpu":  # asking which ones were drawn would make the host wait
        return torch.where(chosen.view(-1, 1, 1, 1), change(everyone), image)
    changed = image.clone()
    index = chosen.nonzero().flatten()
    if len(index):
        changed[index] = change(index)
    return changed


def draw_partners(count: int, device: torch.device) -> Tensor:
    """Draw another sample of the batch for each one, (count,) int64; all others are as likely."""
    # In a random circle each takes the next: nobody stays alone, unlike in a random permutation.
    circle = torch.randperm(count, device=device)
    partners = torch.empty_like(circle)
    partners[circle] = circle.roll(-1)
    return partners
