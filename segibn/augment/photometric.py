"""Colour jitter and blur of a batch on the device, drawn for each image.

What RobustNet (CVPR 2021, arXiv 2103.15597) finds out with which covariances carry style.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_GREY = (0.2989, 0.587, 0.114)  # weights of R, G, B in torchvision's `rgb_to_grayscale`


@dataclass(frozen=True)
class PhotometricChange:
    """What is drawn for each image, uniformly."""

    brightness: float = 0.8  # strength: the factor is in [max(0, 1 - strength), 1 + strength]
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = 0.3  # the shift is in [-hue, hue] turns
    blur_sigma: tuple[float, float] = (0.15, 1.3)  # least and greatest, in pixels

    def __call__(self, image: Tensor) -> Tensor:
        """Return a changed copy, in 0..255."""
        image = change_brightness(image, _factors(image, self.brightness))
        image = change_contrast(image, _factors(image, self.contrast))
        image = change_saturation(image, _factors(image, self.saturation))
        image = shift_hue(image, _uniform(image, -self.hue, self.hue))
        low, high = self.blur_sigma
        return blur(image, _uniform(image, low, high), radius=math.ceil(3 * high))


def _factors(image: Tensor, strength: float) -> Tensor:
    return _uniform(image, max(0.0, 1.0 - strength), 1.0 + strength)


def _uniform(image: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(len(image), 1, 1, 1, device=image.device)


def change_brightness(image: Tensor, factor: Tensor) -> Tensor:
    """Scale by a factor (N, 1, 1, 1)."""
    return (image * factor).clamp(0, 255)


def change_contrast(image: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance to the mean grey of the whole image."""
    return torch.lerp(_grey(image).mean((1, 2, 3), keepdim=True), image, factor).clamp(0, 255)


def change_saturation(image: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance to the pixel's own grey."""
    return torch.lerp(_grey(image), image, factor).clamp(0, 255)


def _grey(image: Tensor) -> Tensor:
    red, green, blue = image.unbind(1)
    return (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue).unsqueeze(1)


def shift_hue(image: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of HSV by a part of the circle, (N, 1, 1, 1); value and saturation stay."""
    red, green, blue = image.unbind(1)
    value = image.amax(1)
    chroma = value - image.amin(1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    # Hue in sixths of the circle, counted from the greatest of the three.
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0),
    )
    turned = sixths + 6.0 * shift.view(-1, 1, 1)
    channels = []
    for offset in (5.0, 3.0, 1.0):  # a channel's place on the circle says how far below the value
        place = (turned + offset) % 6.0
        channels.append(value - chroma * torch.minimum(place, 4.0 - place).clamp(0.0, 1.0))
    return torch.stack(channels, dim=1)


def blur(image: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Gaussian blur with a sigma in pixels for each image, (N, 1, 1, 1); borders are repeated."""
    images, channels, height, width = image.shape
    offsets = torch.arange(-radius, radius + 1, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.view(-1, 1)).square())  # (N, 2 * radius + 1)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, dim=0)
    # One group for each channel of each image, since every image has a kernel of its own.
    flat = image.reshape(1, images * channels, height, width)
    flat = F.pad(flat, (radius,) * 4, mode="replicate")
    groups = images * channels
    flat = F.conv2d(flat, kernel[:, None, None, :].to(flat.dtype), groups=groups)
    flat = F.conv2d(flat, kernel[:, None, :, None].to(flat.dtype), groups=groups)
    return flat.view(image.shape)
