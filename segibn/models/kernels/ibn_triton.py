"""The passes of instance and instance-batch normalisation on CUDA, in Triton (see `ibn_unsplit`).

Nobody has run or timed them on a GPU: tests run them in Triton's interpreter and compile them. A
part is a range of an image's pixels and holds whole tiles. `sizes` of the kernels are (channels,
pixels, image_stride, channel_stride, pixel_stride, part).
"""

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

# Values of a tile: enough to hide latency, few enough for registers.
_TILE, _WARPS = 4096, 8
# Programs that a pass over memory is cut into, where there is enough to cut: four for each of the
# 132 multiprocessors of an H100. A part is never less than this many tiles.
_PROGRAMS, _TILES_PER_PART = 528, 4


def image_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of every channel of every image, (N, C) each."""
    plan, pixels = _Plan.of(x), x.shape[2] * x.shape[3]
    means, squares = plan.reduce(moments_kernel, x)
    starts = torch.arange(plan.parts, device=x.device) * plan.part
    sizes = (pixels - starts).clamp(max=plan.part).to(plan.dtype)[:, None, None]
    mean = (means * sizes).sum(0) / pixels
    return mean, (squares + (means - mean).square() * sizes).sum(0) / pixels


def normalize(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float
) -> Tensor:
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, one map a channel and image."""
    inverse = (variance + eps).rsqrt()
    return _Plan.of(x).map(normalize_kernel, x, mean, inverse, weight, bias)


def gradient_sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """Sums over the pixels of `grad * x_hat` and of `grad`, (2, N, C)."""
    return _Plan.of(x).reduce(sums_kernel, grad, x, mean, inverse).sum(1)


def input_gradient(
    grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, shared: Tensor
) -> Tensor:
    """`weight * inverse * (grad - shared[1] - x_hat * shared[0])`."""
    return _Plan.of(x).map(input_gradient_kernel, grad, x, mean, inverse, weight, shared)


class _Plan(NamedTuple):
    """Tiles of a dense tensor, and into how many parts the pixels of an image are cut."""

    shape: tuple[int, int, int]  # (N, C, pixels)
    strides: tuple[int, int, int]
    block_c: int
    block_p: int
    parts: int
    part: int
    dtype: torch.dtype  # of the statistics

    @staticmethod
    def of(x: Tensor) -> "_Plan":
        images, channels, height, width = x.shape
        pixels = height * width
        double = x.dtype == torch.float64
        tile = _TILE // 2 if double else _TILE
        most_channels, most_pixels = (triton.next_power_of_2(n) for n in (channels, pixels))
        if x.is_contiguous():
            strides = (x.stride(0), pixels, 1)
            block_p = min(tile, most_pixels)
            block_c = min(16, tile // block_p, most_channels)
        else:
            strides = (x.stride(0), 1, channels)
            block_c = min(64, most_channels)
            block_p = min(tile // block_c, most_pixels)
        rows = images * triton.cdiv(channels, block_c)
        parts = min(triton.cdiv(_PROGRAMS, rows), triton.cdiv(pixels, block_p * _TILES_PER_PART))
        part = triton.cdiv(triton.cdiv(pixels, parts), block_p) * block_p
        dtype = torch.float64 if double else torch.float32
        shape = (images, channels, pixels)
        return _Plan(shape, strides, block_c, block_p, triton.cdiv(pixels, part), part, dtype)

    def reduce(self, kernel: Any, *inputs: Tensor) -> Tensor:
        """Launch what reduces the pixels of each part to two values: (2, parts, N, C)."""
        images, channels, _ = self.shape
        out = inputs[0].new_empty((2, self.parts, images, channels), dtype=self.dtype)
        self._launch(kernel, self.parts, *inputs, out)
        return out

    def map(self, kernel: Any, *inputs: Tensor) -> Tensor:
        """Launch what makes of every value another one: as the first input."""
        out = torch.empty_like(inputs[0])
        self._launch(kernel, triton.cdiv(self.shape[2], self.block_p), *inputs, out)
        return out

    def _launch(self, kernel: Any, programs: int, *tensors: Tensor) -> None:
        images, channels, pixels = self.shape
        sizes = (channels, pixels, *self.strides, self.part)
        blocks = {"BLOCK_C": self.block_c, "BLOCK_P": self.block_p}
        grid = (triton.cdiv(channels, self.block_c), programs, images)
        kernel[grid](*tensors, sizes, **blocks, num_warps=_WARPS)


@triton.jit
def _part(sizes, BLOCK_C: tl.constexpr):
    """Channels of the program's part, which exist, where each begins; first and last pixel."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    start = tl.program_id(1) * sizes[5]
    rows = tl.program_id(2).to(tl.int64) * sizes[2] + c[:, None] * sizes[3]
    return c, c < sizes[0], rows, start, tl.minimum(start + sizes[5], sizes[1])


@triton.jit
def _store_pair(out, first, second, c, is_channel, sizes):
    """Write two values of each channel to this part's places in (2, parts, N, C)."""
    rows = tl.program_id(1) * tl.num_programs(2) + tl.program_id(2)
    place = rows * sizes[0] + c
    others = tl.num_programs(1) * tl.num_programs(2) * sizes[0]
    tl.store(out + place, first, mask=is_channel)
    tl.store(out + others + place, second, mask=is_channel)


@triton.jit
def moments_kernel(x, out, sizes, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """Mean and sum of squared deviations of one part of the pixels, by Welford in every lane."""
    acc: tl.constexpr = out.dtype.element_ty
    c, is_channel, rows, start, stop = _part(sizes, BLOCK_C)
    mean = tl.zeros([BLOCK_C, BLOCK_P], acc)
    square = tl.zeros([BLOCK_C, BLOCK_P], acc)
    count = tl.zeros([BLOCK_P], acc)
    for begin in range(start, stop, BLOCK_P):
        p = begin + tl.arange(0, BLOCK_P)
        inside = is_channel[:, None] & (p < sizes[1])[None, :]
        value = tl.load(x + rows + p[None, :] * sizes[4], mask=inside, other=0.0).to(acc)
        count += tl.where(p < sizes[1], 1.0, 0.0)
        delta = tl.where(inside, value - mean, 0.0)
        mean += delta * (1.0 / tl.maximum(count, 1.0))[None, :]
        square += delta * tl.where(inside, value - mean, 0.0)
    total = tl.sum(count, 0)
    joined = tl.sum(mean * count[None, :], 1) / total
    between = mean - joined[:, None]
    squares = tl.sum(square + between * between * count[None, :], 1)
    _store_pair(out, joined, squares, c, is_channel, sizes)


@triton.jit
def sums_kernel(grad, x, mean, inverse, out, sizes, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """Sums of `grad * x_hat` and of `grad` over one part of the pixels."""
    acc: tl.constexpr = out.dtype.element_ty
    c, is_channel, rows, start, stop = _part(sizes, BLOCK_C)
    place = tl.program_id(2) * sizes[0] + c
    shift = tl.load(mean + place, mask=is_channel, other=0.0)
    scale = tl.load(inverse + place, mask=is_channel, other=0.0)
    weight_sum = tl.zeros([BLOCK_C, BLOCK_P], acc)
    bias_sum = tl.zeros([BLOCK_C, BLOCK_P], acc)
    for begin in range(start, stop, BLOCK_P):
        p = begin + tl.arange(0, BLOCK_P)
        inside = is_channel[:, None] & (p < sizes[1])[None, :]
        offset = rows + p[None, :] * sizes[4]
        upstream = tl.load(grad + offset, mask=inside, other=0.0).to(acc)
        value = tl.load(x + offset, mask=inside, other=0.0).to(acc)
        weight_sum += upstream * (value - shift[:, None])
        bias_sum += upstream
    sums = tl.sum(weight_sum, 1) * scale, tl.sum(bias_sum, 1)
    _store_pair(out, sums[0], sums[1], c, is_channel, sizes)


@triton.jit
def _tile(mean, inverse, sizes, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """Of the program's tile: channels, which exist, mean and inverse; values, which exist."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    p = tl.program_id(1) * BLOCK_P + tl.arange(0, BLOCK_P)
    is_channel = c < sizes[0]
    inside = is_channel[:, None] & (p < sizes[1])[None, :]
    offset = c[:, None] * sizes[3] + p[None, :] * sizes[4]
    place = tl.program_id(2) * sizes[0] + c
    shift = tl.load(mean + place, mask=is_channel, other=0.0)
    scale = tl.load(inverse + place, mask=is_channel, other=0.0)
    offset += tl.program_id(2).to(tl.int64) * sizes[2]
    return c, is_channel, shift, scale, offset, inside


@triton.jit
def normalize_kernel(
    x, mean, inverse, weight, bias, out, sizes, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr
):
    """One tile of `(x - mean) * inverse * weight + bias`."""
    c, is_channel, shift, scale, offset, inside = _tile(mean, inverse, sizes, BLOCK_C, BLOCK_P)
    scale *= tl.load(weight + c, mask=is_channel, other=0.0)
    add = tl.load(bias + c, mask=is_channel, other=0.0)
    value = tl.load(x + offset, mask=inside, other=0.0).to(shift.dtype)
    value = (value - shift[:, None]) * scale[:, None] + add[:, None]
    tl.store(out + offset, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def input_gradient_kernel(
    grad, x, mean, inverse, weight, shared, out, sizes, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr
):
    """One tile of `weight * inverse * (grad - shared[1] - x_hat * shared[0])`."""
    c, is_channel, shift, scale, offset, inside = _tile(mean, inverse, sizes, BLOCK_C, BLOCK_P)
    place = tl.program_id(2) * sizes[0] + c
    slope = tl.load(shared + place, mask=is_channel, other=0.0) * scale
    second = tl.num_programs(2) * sizes[0]
    less = tl.load(shared + second + place, mask=is_channel, other=0.0)
    scale *= tl.load(weight + c, mask=is_channel, other=0.0).to(shift.dtype)
    upstream = tl.load(grad + offset, mask=inside, other=0.0).to(shift.dtype)
    value = tl.load(x + offset, mask=inside, other=0.0).to(shift.dtype) - shift[:, None]
    result = (upstream - less[:, None] - value * slope[:, None]) * scale[:, None]
    tl.store(out + offset, result.to(out.dtype.element_ty), mask=inside)
