"""Which samples of a batch are changed, and which two belong together."""

from collections.abc import Callable

import torch
from torch import Tensor


def change_some(image: Tensor, probability: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change each sample of (N, 3, H, W) with a probability, into a new tensor.

    `change` takes (M,) indices of samples and gives (M, 3, H, W). On the CPU only the chosen
    samples are computed. On an accelerator all are, and then selected: asking it which ones were
    drawn would make the host wait.
    """
    count = len(image)
    if probability >= 1.0:
        return change(torch.arange(count, device=image.device))
    chosen = torch.rand(count, device=image.device) < probability
    if image.device.type != "cpu":
        everyone = torch.arange(count, device=image.device)
        return torch.where(chosen.view(-1, 1, 1, 1), change(everyone), image)
    changed = image.clone()
    index = chosen.nonzero().flatten()
    if len(index):
        changed[index] = change(index)
    return changed


def draw_partners(count: int, device: torch.device) -> Tensor:
    """Draw another sample of the batch for each one, (count,) int64; all others are as likely.

    The samples are put in a random circle, and each takes the next: a permutation in which nobody
    stays alone, unlike a plain random one, which in a batch of two is without effect half the time.
    A single sample is its own partner.
    """
    circle = torch.randperm(count, device=device)
    partners = torch.empty_like(circle)
    partners[circle] = circle.roll(-1)
    return partners
