"""Launches of the kernels in ``ibn_triton``: tiles, grids, and the gradient of the whole.

In and out: (N, C, h, w), dense in either layout. Three launches forward, three backward. Imports
Triton; ``ibn_cuda`` decides whether this module is used at all.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from segibn.models.kernels import ibn_triton as forward_kernels
from segibn.models.kernels import ibn_triton_backward as backward_kernels
from segibn.models.kernels.ibn_cuda import MOST_IMAGES, Halves
from segibn.models.kernels.ibn_unsplit import layout_of

# Values of a tile: enough to hide latency, few enough for registers.
_TILE, _WARPS = 4096, 8
# Programs that a pass over memory is cut into, where there is enough to cut: four for each of the
# 132 multiprocessors of an H100. A part is never less than this many tiles.
_PROGRAMS, _TILES_PER_PART = 528, 4


class NormalizeHalves(torch.autograd.Function):
    """Three launches each way; the gradient is that of the whole, statistics included."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        instance_weight: Tensor,
        instance_bias: Tensor,
        batch_weight: Tensor | None,
        batch_bias: Tensor | None,
        halves: Halves,
        eps: float,
    ) -> Tensor:
        """Return the normalised ``x``; the parameters stand apart to get their gradients."""
        statistics = measure(x, halves, eps)
        ctx.save_for_backward(x, *statistics)
        ctx.halves = halves
        ctx.training = halves.batch is not None and halves.batch.training
        return normalize_pass(x, statistics)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        """Return the gradients of x and of both halves' weights and biases."""
        x, *saved = ctx.saved_tensors
        grad = grad.contiguous(memory_format=layout_of(x))
        grad_x, gradients = gradient_passes(
            grad, x, Statistics(*saved), ctx.halves, training=ctx.training
        )
        return grad_x, *gradients, None, None


class Statistics(NamedTuple):
    """What one affine map needs: mean, 1 / spread (N, C), weight and bias (C,) of all channels."""

    mean: Tensor
    inverse: Tensor
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Plan:
    """Tiles, and into how many parts the pixels of an image are cut."""

    block_c: int
    block_p: int
    parts: int
    part: int
    dtype: torch.dtype
    strides: tuple[int, int, int]

    @property
    def tiles(self) -> dict[str, Any]:
        """The compile-time arguments of the passes."""
        acc = tl.float64 if self.dtype == torch.float64 else tl.float32
        return {
            "ACC": acc,
            "BLOCK_C": self.block_c,
            "BLOCK_P": self.block_p,
            "num_warps": _WARPS,
        }


def _plan(x: Tensor, channels: int) -> _Plan:
    images, _, height, width = x.shape
    pixels = height * width
    double = x.dtype == torch.float64
    tile = _TILE // 2 if double else _TILE
    if x.is_contiguous():
        strides = (x.stride(0), pixels, 1)
        block_p = min(tile, triton.next_power_of_2(pixels))
        block_c = min(16, tile // block_p, triton.next_power_of_2(channels))
    else:
        strides = (x.stride(0), 1, x.shape[1])
        block_c = min(64, triton.next_power_of_2(channels))
        block_p = min(tile // block_c, triton.next_power_of_2(pixels))
    rows = images * triton.cdiv(channels, block_c)
    most = min(
        triton.cdiv(pixels, block_p * _TILES_PER_PART),
        max(1, MOST_IMAGES // triton.next_power_of_2(images)),
    )
    parts = max(1, min(triton.cdiv(_PROGRAMS, rows), most))
    part = triton.cdiv(triton.cdiv(pixels, parts), block_p) * block_p
    dtype = torch.float64 if double else torch.float32
    return _Plan(block_c, block_p, triton.cdiv(pixels, part), part, dtype, strides)


def _finish_blocks(images: int, parts: int, channels: int) -> dict[str, int]:
    block_n, block_s = triton.next_power_of_2(images), triton.next_power_of_2(parts)
    block_c = max(1, min(32, 4096 // (block_n * block_s), triton.next_power_of_2(channels)))
    return {"BLOCK_N": block_n, "BLOCK_S": block_s, "BLOCK_C": block_c}


def measure(x: Tensor, halves: Halves, eps: float) -> Statistics:
    """Two launches: moments of parts, then everything that follows from them.

    In training the running statistics of the batch half are updated.
    """
    images, channels, height, width = x.shape
    batch = halves.batch
    training = batch is not None and batch.training
    instances = halves.instance_weight.numel()
    first, measured = (0, channels) if training else (halves.instance_first, instances)
    plan = _plan(x, measured)
    partial = _part_moments(x, plan, first, measured)
    moments = x.new_empty((2, images, channels), dtype=plan.dtype)
    affine = x.new_empty((2, channels), dtype=plan.dtype)
    state, momentum = [halves.instance_weight] * 5, 0.0  # never read without a batch half
    if batch is not None:
        state = [batch.weight, batch.bias, batch.running_mean, batch.running_var]
        state.append(batch.num_batches_tracked)
        momentum = batch.momentum
    blocks = _finish_blocks(images, plan.parts, channels)
    forward_kernels.finish_moments_kernel[(triton.cdiv(channels, blocks["BLOCK_C"]),)](
        *(*partial, *moments, *affine, halves.instance_weight, halves.instance_bias, *state),
        *(channels, first, measured, halves.instance_first, halves.batch_first),
        *(channels - instances, images, plan.parts, height * width, plan.part, momentum, eps),
        ACC=plan.tiles["ACC"],
        TRAINING=training,
        **blocks,
    )
    return Statistics(*moments, *affine)


def gradient_passes(
    grad: Tensor, x: Tensor, statistics: Statistics, halves: Halves, *, training: bool
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """Three launches: sums of parts, what follows from them, the gradient of the input.

    Args:
        grad: of the output, laid out as ``x``.
        x: the input.
        statistics: of the forward pass.
        halves: likewise.
        training: whether the batch half's statistics came from ``x``.

    Returns:
        The gradient of ``x``; those of the instance half's weight and bias and of the batch
        half's, None without one.
    """
    images, channels, height, width = x.shape
    batch, plan = halves.batch, _plan(x, channels)
    sums = _part_sums(grad, x, plan, statistics.mean, statistics.inverse)
    over = torch.empty_like(sums[:, 0])
    gradients = [torch.empty_like(halves.instance_weight), torch.empty_like(halves.instance_bias)]
    if batch is not None:
        gradients += [torch.empty_like(batch.weight), torch.empty_like(batch.bias)]
    blocks = _finish_blocks(images, plan.parts, channels)
    backward_kernels.finish_sums_kernel[(triton.cdiv(channels, blocks["BLOCK_C"]),)](
        *(*sums, *over, *gradients, *gradients[: 4 - len(gradients)]),
        *(channels, halves.instance_first, halves.batch_first),
        *(channels - halves.instance_weight.numel(), images, plan.parts, height * width),
        TRAINING=training,
        **blocks,
    )
    mean, inverse, weight, _ = statistics
    absent = (None,) * (4 - len(gradients))
    return input_gradient(grad, x, mean, inverse, weight, *over), (*gradients, *absent)


def image_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (N, C) of every channel of every image; see ``Passes``."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    plan = _plan(x, channels)
    means, squares = _part_moments(x, plan, 0, channels)
    starts = torch.arange(plan.parts, device=x.device) * plan.part
    sizes = (pixels - starts).clamp(max=plan.part).to(plan.dtype)[:, None, None]
    mean = (means * sizes).sum(0) / pixels
    return mean, (squares + (means - mean).square() * sizes).sum(0) / pixels


def normalize(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``; see ``Passes``."""
    return normalize_pass(x, Statistics(mean, (variance + eps).rsqrt(), weight, bias))


def gradient_sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the pixels of ``grad * x_hat`` and of ``grad``, (N, C) each; see ``Passes``."""
    sums = _part_sums(grad, x, _plan(x, x.shape[1]), mean, inverse).sum(1)
    return sums[0], sums[1]


def normalize_pass(x: Tensor, statistics: Statistics) -> Tensor:
    """One launch: the affine map of every channel and image."""
    plan, out = _plan(x, x.shape[1]), torch.empty_like(x)
    forward_kernels.normalize_kernel[_tile_grid(x, plan)](
        *(x, out, *statistics, x.shape[1], x.shape[2] * x.shape[3], *plan.strides), **plan.tiles
    )
    return out


def input_gradient(
    grad: Tensor,
    x: Tensor,
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    over_weight: Tensor,
    over_bias: Tensor,
) -> Tensor:
    """One launch: ``weight * inverse * (grad - over_bias - x_hat * over_weight)``."""
    plan, out = _plan(x, x.shape[1]), torch.empty_like(x)
    backward_kernels.input_gradient_kernel[_tile_grid(x, plan)](
        *(grad, x, out, mean, inverse, weight, over_weight, over_bias),
        *(x.shape[1], x.shape[2] * x.shape[3], *plan.strides),
        **plan.tiles,
    )
    return out


def _part_moments(x: Tensor, plan: _Plan, first: int, measured: int) -> Tensor:
    """Means and sums of squared deviations, (2, parts, N, measured), of a range of channels."""
    images, pixels = x.shape[0], x.shape[2] * x.shape[3]
    partial = x.new_empty((2, plan.parts, images, measured), dtype=plan.dtype)
    forward_kernels.moments_kernel[(triton.cdiv(measured, plan.block_c), plan.parts, images)](
        *(x, *partial, first, measured, pixels, *plan.strides, plan.part), **plan.tiles
    )
    return partial


def _part_sums(grad: Tensor, x: Tensor, plan: _Plan, mean: Tensor, inverse: Tensor) -> Tensor:
    """Sums of ``grad * x_hat`` and of ``grad``, (2, parts, N, C)."""
    images, channels, height, width = x.shape
    sums = x.new_empty((2, plan.parts, images, channels), dtype=plan.dtype)
    backward_kernels.sums_kernel[(triton.cdiv(channels, plan.block_c), plan.parts, images)](
        *(grad, x, mean, inverse, *sums, channels, height * width, *plan.strides, plan.part),
        **plan.tiles,
    )
    return sums


def _tile_grid(x: Tensor, plan: _Plan) -> tuple[int, int, int]:
    images, channels, height, width = x.shape
    return triton.cdiv(channels, plan.block_c), triton.cdiv(height * width, plan.block_p), images
