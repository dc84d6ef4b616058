"""Resizing images as the training data was on the host, and features with a fast gradient on a CPU."""

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.devices import accurate_dtype


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 3, h, w) -> (N, 3, H, W) in its precision; equals OpenCV's area and linear modes.

    Each output pixel is the mean of the area it covers when a side is more than halved, and linear
    otherwise (down to one half that reads every pixel too).
    """
    height, width = image.shape[-2:]
    if (height, width) == tuple(size):
        return image
    with torch.autocast(image.device.type, enabled=False):
        if height <= 2 * size[0] and width <= 2 * size[1]:
            return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        rows = _area_shares(height, size[0], image)
        columns = _area_shares(width, size[1], image)
        return rows @ image @ columns.T


def _area_shares(source: int, target: int, like: Tensor) -> Tensor:
    """(target, source) float: which share of each output pixel every input pixel covers."""
    scale = source / target
    exact = {"dtype": accurate_dtype(like.device), "device": like.device}
    pixel = torch.arange(source, **exact)
    start = torch.arange(target, **exact)[:, None] * scale
    overlap = torch.minimum(start + scale, pixel + 1) - torch.maximum(start, pixel)
    return (overlap.clamp(min=0) / scale).to(like.dtype)
