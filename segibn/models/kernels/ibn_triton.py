"""The passes of instance and instance-batch normalisation on CUDA, in Triton (see `ibn_unsplit`).

Nobody has run or timed them on a GPU: tests run them in Triton's interpreter and compile them. A
part is a range of an image's pixels and holds whole tiles, so that one comparison with `pixels`
masks what is not there and loads stay wide.
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


def gradient_sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the pixels of `grad * x_hat` and of `grad`, (N, C) each."""
    sums = _Plan.of(x).reduce(sums_kernel, grad, x, mean, inverse).sum(1)
    return sums[0], sums[1]


def input_gradient(
    grad: Tensor,
    x: Tensor,
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    over_weight: Tensor,
    over_bias: Tensor,
) -> Tensor:
    """`weight * inverse * (grad - over_bias - x_hat * over_weight)`."""
    per_channel = (mean, inverse, weight, over_weight, over_bias)
    return _Plan.of(x).map(input_gradient_kernel, grad, x, *per_channel)


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
        images, channels, pixels = self.shape
        out = inputs[0].new_empty((2, self.parts, images, channels), dtype=self.dtype)
        grid = (triton.cdiv(channels, self.block_c), self.parts, images)
        sizes = (channels, pixels, *self.strides, self.part)
        kernel[grid](*inputs, *out, *sizes, **self._constants())
        return out

    def map(self, kernel: Any, *inputs: Tensor) -> Tensor:
        """Launch what makes of every value another one: as the first input."""
        images, channels, pixels = self.shape
        out = torch.empty_like(inputs[0])
        grid = (triton.cdiv(channels, self.block_c), triton.cdiv(pixels, self.block_p), images)
        sizes = (channels, pixels, *self.strides)
        kernel[grid](*inputs, out, *sizes, **self._constants())
        return out

    def _constants(self) -> dict[str, Any]:
        acc = tl.float64 if self.dtype == torch.float64 else tl.float32
        blocks = {"BLOCK_C": self.block_c, "BLOCK_P": self.block_p}
        return {"ACC": acc, **blocks, "num_warps": _WARPS}


@triton.jit
def moments_kernel(
    x,
    mean_out,
    square_out,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    part,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """Mean and sum of squared deviations of one part of the pixels, by Welford in every lane."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    start = tl.program_id(1) * part
    stop = tl.minimum(start + part, pixels)
    image = tl.program_id(2)
    is_channel = c < channels
    base = x + image.to(tl.int64) * image_stride + c[:, None] * channel_stride
    mean = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    square = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    count = tl.zeros([BLOCK_P], ACC)
    for begin in range(start, stop, BLOCK_P):
        p = begin + tl.arange(0, BLOCK_P)
        inside = is_channel[:, None] & (p < pixels)[None, :]
        value = tl.load(base + p[None, :] * pixel_stride, mask=inside, other=0.0).to(ACC)
        count += tl.where(p < pixels, 1.0, 0.0)
        delta = tl.where(inside, value - mean, 0.0)
        mean += delta * (1.0 / tl.maximum(count, 1.0))[None, :]
        square += delta * tl.where(inside, value - mean, 0.0)
    total = tl.sum(count, 0)
    joined = tl.sum(mean * count[None, :], 1) / total
    between = mean - joined[:, None]
    squares = tl.sum(square + between * between * count[None, :], 1)
    place = (tl.program_id(1) * tl.num_programs(2) + image) * channels + c
    tl.store(mean_out + place, joined, mask=is_channel)
    tl.store(square_out + place, squares, mask=is_channel)


@triton.jit
def _tile(channels, pixels, strides, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """Channels of the program's tile, which of them and of its values exist, and where they are."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    p = tl.program_id(1) * BLOCK_P + tl.arange(0, BLOCK_P)
    is_channel = c < channels
    inside = is_channel[:, None] & (p < pixels)[None, :]
    offset = c[:, None] * strides[1] + p[None, :] * strides[2]
    return c, is_channel, inside, tl.program_id(2).to(tl.int64) * strides[0] + offset


@triton.jit
def normalize_kernel(
    x,
    mean,
    inverse,
    weight,
    bias,
    out,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """One tile of `(x - mean) * inverse * weight + bias`."""
    strides = (image_stride, channel_stride, pixel_stride)
    c, is_channel, inside, offset = _tile(channels, pixels, strides, BLOCK_C, BLOCK_P)
    place = tl.program_id(2) * channels + c
    shift = tl.load(mean + place, mask=is_channel, other=0.0)
    scale = tl.load(inverse + place, mask=is_channel, other=0.0)
    scale *= tl.load(weight + c, mask=is_channel, other=0.0)
    add = tl.load(bias + c, mask=is_channel, other=0.0)
    value = tl.load(x + offset, mask=inside, other=0.0).to(ACC)
    value = (value - shift[:, None]) * scale[:, None] + add[:, None]
    tl.store(out + offset, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def sums_kernel(
    grad,
    x,
    mean,
    inverse,
    weight_sums,
    bias_sums,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    part,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """Sums of `grad * x_hat` and of `grad` over one part of the pixels."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    start = tl.program_id(1) * part
    stop = tl.minimum(start + part, pixels)
    image = tl.program_id(2)
    is_channel = c < channels
    rows = image.to(tl.int64) * image_stride + c[:, None] * channel_stride
    shift = tl.load(mean + image * channels + c, mask=is_channel, other=0.0)
    scale = tl.load(inverse + image * channels + c, mask=is_channel, other=0.0)
    weight_sum = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    bias_sum = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    for begin in range(start, stop, BLOCK_P):
        p = begin + tl.arange(0, BLOCK_P)
        inside = is_channel[:, None] & (p < pixels)[None, :]
        offset = rows + p[None, :] * pixel_stride
        upstream = tl.load(grad + offset, mask=inside, other=0.0).to(ACC)
        value = tl.load(x + offset, mask=inside, other=0.0).to(ACC)
        weight_sum += upstream * (value - shift[:, None])
        bias_sum += upstream
    place = (tl.program_id(1) * tl.num_programs(2) + image) * channels + c
    tl.store(weight_sums + place, tl.sum(weight_sum, 1) * scale, mask=is_channel)
    tl.store(bias_sums + place, tl.sum(bias_sum, 1), mask=is_channel)


@triton.jit
def input_gradient_kernel(
    grad,
    x,
    mean,
    inverse,
    weight,
    over_weight,
    over_bias,
    out,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """One tile of `weight * inverse * (grad - over_bias - x_hat * over_weight)`."""
    strides = (image_stride, channel_stride, pixel_stride)
    c, is_channel, inside, offset = _tile(channels, pixels, strides, BLOCK_C, BLOCK_P)
    place = tl.program_id(2) * channels + c
    shift = tl.load(mean + place, mask=is_channel, other=0.0)
    scale = tl.load(inverse + place, mask=is_channel, other=0.0)
    slope = tl.load(over_weight + place, mask=is_channel, other=0.0) * scale
    less = tl.load(over_bias + place, mask=is_channel, other=0.0)
    scale *= tl.load(weight + c, mask=is_channel, other=0.0).to(ACC)
    upstream = tl.load(grad + offset, mask=inside, other=0.0).to(ACC)
    value = tl.load(x + offset, mask=inside, other=0.0).to(ACC) - shift[:, None]
    result = (upstream - less[:, None] - value * slope[:, None]) * scale[:, None]
    tl.store(out + offset, result.to(out.dtype.element_ty), mask=inside)
