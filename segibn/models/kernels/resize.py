"""Resizing images as the training data was, and features with a gradient that is fast on a CPU."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from segibn.devices import accurate_dtype
from segibn.models.kernels import is_eager


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 3, h, w) -> (N, 3, H, W) in its precision, as OpenCV: by area if a side is more than halved, else linear.

    uint8 gives float32, not rounded. Resize before normalising: a frame in 4K is 100 MB as float32.
    """
    height, width = image.shape[-2:]
    if (height, width) == tuple(size):
        return image
    if not image.is_floating_point():
        return torch.cat([resize_image(channel.float(), size) for channel in image.split(1, dim=1)], dim=1)
    with torch.autocast(image.device.type, enabled=False):
        if height <= 2 * size[0] and width <= 2 * size[1]:
            return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        is_plain = image.device.type == "cpu" and image.dtype is torch.float32 and not image.requires_grad
        if is_plain and is_eager() and height >= size[0] and width >= size[1]:
            return _by_opencv(image, size)
        return _area_shares(height, size[0], image) @ image @ _area_shares(width, size[1], image).T


def _by_opencv(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Area weights from OpenCV's loops: the products below take ten times as long on a CPU."""
    planes = image.detach().reshape(-1, *image.shape[-2:]).contiguous().numpy()
    resized = [cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_AREA) for plane in planes]
    return torch.from_numpy(np.stack(resized)).reshape(*image.shape[:2], *size)


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
