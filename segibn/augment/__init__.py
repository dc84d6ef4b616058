"""Augmentation of whole batches on the device: the style of images, and what is pasted into them.

Legend: N images, H x W pixels; images (N, 3, H, W) float32 RGB 0..255; targets (N, H, W) train ids.
Random numbers come from torch's global generator, which the engine seeds for every iteration.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def change_some(image: Tensor, probability: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change each sample of a batch with a probability, by `change` of its index."""
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
