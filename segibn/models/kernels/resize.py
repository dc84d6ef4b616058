"""Resizing images as the training data was, and features with a gradient that is fast on a CPU."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from segibn.devices import accurate_dtype
from segibn.models.kernels import is_eager

_BAND = 64  # rows of a frame that are floats at a time, or a few more
_MOST_ROWS = 512  # where sizes have no common measure, a band would be the whole frame


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 3, h, w) -> (N, 3, H, W) in its precision, as OpenCV: by area if a side is more than halved, else linear.

    uint8 gives float32, not rounded. Resize before normalising: a frame in 4K is 100 MB as float32.
    """
    height, width = image.shape[-2:]
    if (height, width) == tuple(size):
        return image
    is_by_area = height > 2 * size[0] or width > 2 * size[1]
    is_plain = image.device.type == "cpu" and is_eager() and height >= size[0] and width >= size[1]
    if not image.is_floating_point():
        if is_by_area and is_plain and (rows := _rows_of_a_band(height, size[0])) <= _MOST_ROWS:
            return _bands_by_opencv(image, size, rows)
        return torch.cat([resize_image(channel.float(), size) for channel in image.split(1, dim=1)], dim=1)
    with torch.autocast(image.device.type, enabled=False):
        if not is_by_area:
            return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        if is_plain and image.dtype is torch.float32 and not image.requires_grad:
            return _by_opencv(image, size)
        return _area_shares(height, size[0], image) @ image @ _area_shares(width, size[1], image).T


def _by_opencv(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Area weights from OpenCV's loops: the products below take ten times as long on a CPU."""
    planes = image.detach().reshape(-1, *image.shape[-2:]).contiguous().numpy()
    resized = [cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_AREA) for plane in planes]
    return torch.from_numpy(np.stack(resized)).reshape(*image.shape[:2], *size)


def _rows_of_a_band(height: int, target: int) -> int:
    """The fewest rows, but `_BAND` or more if there are, that become whole rows of the target."""
    parts = math.gcd(height, target)
    return next(height // n for n in range(parts, 0, -1) if parts % n == 0 and (height // n >= _BAND or n == 1))


def _bands_by_opencv(image: Tensor, size: tuple[int, int], rows: int) -> Tensor:
    """As `_by_opencv`, of bytes, bit by bit: floats that stay in the cache take a quarter of the time."""
    target = rows * size[0] // image.shape[-2]
    frames = image.permute(0, 2, 3, 1).numpy()
    resized = np.empty((len(frames), *size, frames.shape[-1]), np.float32)
    for frame, found in zip(frames, resized, strict=True):
        for top, row in zip(range(0, len(frame), rows), range(0, len(found), target), strict=True):
            band = frame[top : top + rows].astype(np.float32)
            cv2.resize(band, (size[1], target), dst=found[row : row + target], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(resized).permute(0, 3, 1, 2).contiguous()


def _area_shares(source: int, target: int, like: Tensor) -> Tensor:
    """(target, source) float: which share of each output pixel every input pixel covers."""
    scale = source / target
    exact = {"dtype": accurate_dtype(like.device), "device": like.device}
    pixel = torch.arange(source, **exact)
    start = torch.arange(target, **exact)[:, None] * scale
    overlap = torch.minimum(start + scale, pixel + 1) - torch.maximum(start, pixel)
    return (overlap.clamp(min=0) / scale).to(like.dtype)


def resize_feature(x: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Bilinear resize like `layers.upsample`, but in the input's memory layout.

    Its gradient is two small matrix products; torch's own adds pixel by pixel and gives
    channels-first memory for a slice of a joined tensor, which all layers below then pay for.
    """
    if x.shape[-2:] == tuple(size):
        return x
    is_cpu_last = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
    if x.requires_grad and is_cpu_last and is_eager():
        return _Resize.apply(x, size, align_corners)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


class _Resize(torch.autograd.Function):
    """`interpolate`, and the products that are its transpose."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
        ctx.size, ctx.align_corners = x.shape[2:], align_corners  # type: ignore[attr-defined]
        return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        images, channels, _, _ = grad.shape
        accurate = torch.promote_types(grad.dtype, torch.float32)
        rows, columns = (
            _shares(small, large, ctx.align_corners, accurate)
            for small, large in zip(ctx.size, grad.shape[2:], strict=True)
        )
        # Halves, quarters and eighths are exact in bfloat16; other shares are not.
        exact = all(torch.equal(part.to(grad.dtype).to(accurate), part) for part in (rows, columns))
        dtype = grad.dtype if exact else accurate
        narrow = columns.to(dtype) @ grad.permute(0, 2, 3, 1).to(dtype)  # (N, H, w, C)
        small = rows.to(dtype) @ narrow.flatten(2)  # (N, h, w * C)
        small = small.view(images, *ctx.size, channels).permute(0, 3, 1, 2)
        return small.to(grad.dtype), None, None


def _shares(small: int, large: int, align_corners: bool, dtype: torch.dtype) -> Tensor:
    """(small, large): which share each small pixel has in a large one."""
    return F.interpolate(torch.eye(small, dtype=dtype)[None], size=large, mode="linear", align_corners=align_corners)[0]
