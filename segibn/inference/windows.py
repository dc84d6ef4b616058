"""A window that slides over an image: where it stops, and how overlapping logits are blended."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from segibn.inference import BLENDINGS

Size = tuple[int, int]

SIGMA = 1 / 8
"""Of the Gaussian, relative to the window's side: as in nnU-Net (Isensee et al., Nature Methods
2021), where a window's border weighs next to nothing."""


def slide(logits_of: Callable[[Tensor], Tensor], image: Tensor, window: Size, stride: Size, blending: str) -> Tensor:
    """Average the logits of overlapping windows of an image (N, 3, H, W) -> (N, K, H, W) float32.

    ``logits_of``: (N, 3, h, w) -> float32 logits (N, K, h, w) of the same size. ``window`` (H, W)
    is cut to the image where that is smaller.
    """
    size = (image.shape[-2], image.shape[-1])
    share = window_weights((min(window[0], size[0]), min(window[1], size[1])), blending).to(image.device)
    weights, total = share.new_zeros(size), None
    for rows, columns in window_slices(size, window, stride):
        logits = logits_of(image[..., rows, columns])
        if total is None:
            total = logits.new_zeros((*logits.shape[:2], *size))
        total[..., rows, columns] += logits if blending == "flat" else logits.mul_(share)
        weights[rows, columns] += share
        del logits  # before the next window's
    assert total is not None
    return total.div_(weights)


def window_weights(window: Size, blending: str) -> Tensor:
    """Return (H, W) float32 weights of a window's pixels, above 0, at most 1."""
    if blending == "flat":
        return torch.ones(window)
    if blending != "gaussian":
        raise ValueError(f"blending '{blending}'; there are {', '.join(BLENDINGS)}")
    sides = []
    for length in window:
        distance = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
        sides.append(torch.exp(-0.5 * (distance / (SIGMA * length)) ** 2))
    return torch.outer(*sides).float()


def window_slices(size: Size, window: Size, stride: Size) -> Iterator[tuple[slice, slice]]:
    """Yield (rows, columns) of windows that cover an image; the last ones end at its border."""
    for top in _starts(size[0], window[0], stride[0]):
        for left in _starts(size[1], window[1], stride[1]):
            yield slice(top, top + window[0]), slice(left, left + window[1])


def _starts(length: int, window: int, stride: int) -> list[int]:
    if window >= length:
        return [0]
    return [*range(0, length - window, stride), length - window]
