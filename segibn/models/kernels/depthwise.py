"""Depthwise convolutions, exact and fast for large dilations on a CPU.

Channels-last ones are slow in oneDNN, their gradient in bfloat16 is wrong (seen in 3.12, which
torch 2.14 contains). But the pixels that a dilated kernel joins lie on a grid of their own: sorted
by grid, the same numbers come from a plain 3x3 convolution.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

# Rows that a sorted map has at least: below, oneDNN's gradient of the weights takes a slow path.
_ROWS = 3
_PIECE = 2 << 20  # bytes that are sorted at a time
_MIN_CHANNELS = 64  # of a piece


class DepthwiseConv2d(nn.Conv2d):
    """Equals `nn.Conv2d(channels, channels, 3, groups=channels)`, the spatial size stays."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        dilation = self.dilation[0]
        if not (
            dilation > 1
            and x.device.type == "cpu"
            and x.is_contiguous(memory_format=torch.channels_last)
            and not x.is_contiguous()
            and not torch.compiler.is_exporting()  # exporters get the convolution that they know
            and not torch.jit.is_tracing()
        ):
            return super().forward(x)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight = x.to(dtype), weight.to(dtype)
        if torch.compiler.is_compiling():
            return sorted_convolution(x, weight, dilation)
        return _SortedConvolution.apply(x, weight, dilation)


def sorted_convolution(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """Dilated 3x3 convolution of each channel of `x`, channels-last, by `weight` (C, 1, 3, 3)."""
    kernel = _kernel(weight, x.shape, dilation)
    out = F.conv2d(_to_grids(x, dilation), kernel, padding=_padding(kernel), groups=x.shape[1])
    return _from_grids(out, torch.empty_like(x), dilation)


class _SortedConvolution(torch.autograd.Function):
    """`sorted_convolution` piece by piece; keeps its input for the gradient, no sorted copy."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)  # type: ignore[attr-defined]
        ctx.dilation = dilation  # type: ignore[attr-defined]
        kernel, out = _kernel(weight, x.shape, dilation), torch.empty_like(x)
        for image, channels in _pieces(x, dilation):
            part = x[image, channels]
            grids = F.conv2d(
                _to_grids(part, dilation), kernel[channels], padding=_padding(kernel), groups=part.shape[1]
            )
            _from_grids(grids, out[image, channels], dilation)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_x = torch.empty_like(x)
        grad_weight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
        kernel = _kernel(weight, x.shape, ctx.dilation)
        rows, columns = _reach(x.shape, ctx.dilation)
        for image, channels in _pieces(x, ctx.dilation):
            part = x[image, channels]
            upstream = _to_grids(grad[image, channels], ctx.dilation)
            tensors = (upstream, _to_grids(part, ctx.dilation), kernel[channels], None)
            options = ((1, 1), _padding(kernel), (1, 1), False, (0, 0), part.shape[1])
            grad_grids, grad_part, _ = torch.ops.aten.convolution_backward(*tensors, *options, (True, True, False))
            _from_grids(grad_grids, grad_x[image, channels], ctx.dilation)
            grad_weight[channels, :, rows, columns] += grad_part[..., columns]
        return grad_x, grad_weight.to(weight.dtype), None


def _pieces(x: Tensor, dilation: int) -> Iterator[tuple[slice, slice]]:
    """Images one by one and channels in blocks, so that what is sorted stays in the cache."""
    _, channels, height, width = x.shape
    pixels = math.prod(_grid(height, width, dilation))
    block = max(_MIN_CHANNELS, _PIECE // (pixels * x.element_size()) // 16 * 16)
    for image in range(x.shape[0]):
        for first in range(0, channels, block):
            yield slice(image, image + 1), slice(first, first + block)


def _reach(size: torch.Size, dilation: int) -> tuple[slice, slice]:
    """Which rows and columns of a 3x3 kernel reach into maps of this size: all or the middle."""
    return tuple(slice(1, 2) if dilation >= n else slice(0, 3) for n in size[2:])


def _kernel(weight: Tensor, size: torch.Size, dilation: int) -> Tensor:
    """What is left of a 3x3 kernel: one row or three; oneDNN is slow for single pixels."""
    rows, columns = _reach(size, dilation)
    return F.pad(weight[:, :, rows, columns], (columns.start, 3 - columns.stop))


def _padding(kernel: Tensor) -> tuple[int, int]:
    return kernel.shape[2] // 2, kernel.shape[3] // 2


def _grid(height: int, width: int, dilation: int) -> tuple[int, int, int, int]:
    """How many grids there are down and across, and the rows and columns of each."""
    down, rows, across, columns = 1, height, 1, width
    if dilation < height:
        down, rows = dilation, max(_ROWS, -(-height // dilation))
    if dilation < width:
        across, columns = dilation, -(-width // dilation)
    return down, across, rows, columns


def _to_grids(x: Tensor, dilation: int) -> Tensor:
    """(N, C, h, w) -> (N * grids, C, rows, columns), padded with zeros; both channels-last."""
    images, channels, height, width = x.shape
    grids = x.new_zeros(images, *_grid(height, width, dilation), channels)
    for grid_part, part in _matching_parts(grids, x, dilation):
        grid_part.copy_(part)
    return grids.flatten(0, 2).permute(0, 3, 1, 2)


def _from_grids(grids: Tensor, out: Tensor, dilation: int) -> Tensor:
    """Undo `_to_grids`, into `out` (N, C, h, w), which is returned."""
    images, channels, height, width = out.shape
    grids = grids.permute(0, 2, 3, 1).reshape(images, *_grid(height, width, dilation), channels)
    for grid_part, part in _matching_parts(grids, out, dilation):
        part.copy_(grid_part)
    return out


def _matching_parts(grids: Tensor, x: Tensor, dilation: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Views of grids (N, down, across, rows, columns, C) and of `x` that hold the same pixels."""
    height, width = x.shape[2:]
    down, across, _, _ = _grid(height, width, dilation)
    grids = grids.permute(0, 3, 1, 4, 2, 5)  # (N, rows, down, columns, across, C): reading order
    pixels = x.permute(0, 2, 3, 1)
    for rows, grids_down, lines in _whole_and_rest(height, down):
        for columns, grids_across, places in _whole_and_rest(width, across):
            grid_part = grids[:, rows, grids_down, columns, grids_across]
            yield grid_part, pixels[:, lines, places].view(grid_part.shape)


def _whole_and_rest(size: int, grids: int) -> Iterator[tuple[slice, slice, slice]]:
    """Rows (or columns) of grids, which grids have them, and which of the map's they are."""
    whole, rest = divmod(size, grids)
    yield slice(0, whole), slice(0, grids), slice(0, whole * grids)
    if rest:
        yield slice(whole, whole + 1), slice(0, rest), slice(whole * grids, size)
