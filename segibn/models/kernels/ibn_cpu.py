"""The passes of instance and instance-batch normalisation on a CPU (see `ibn_unsplit`).

torch's own batch-norm kernels, called so that a channel of one image is what they reduce over: a
channels-last image goes in alone, an NCHW batch as a single image of N * C channels.
"""

import torch
from torch import Tensor


def image_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of every channel of every image, (N, C) each."""
    moments = [_moments(block) for block in _blocks(x)]
    mean, variance = (torch.cat(list(part)) for part in zip(*moments, strict=True))
    return mean.view(x.shape[:2]), variance.view(x.shape[:2])


def normalize(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`(x - mean) / sqrt(variance + eps) * weight + bias`; weight and bias are (C,) or (N, C)."""
    out = torch.empty_like(x)
    unused = x.new_empty(0, dtype=mean.dtype), x.new_empty(0, dtype=mean.dtype)
    images = x.shape[0]
    values = [weight.expand(images, -1), bias.expand(images, -1), mean, variance]
    for block, target, *parameters in zip(_blocks(x), _blocks(out), *_rows(x, values), strict=True):
        torch.native_batch_norm(block, *parameters, False, 0.0, eps, out=(target, *unused))
    return out


def gradient_sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """Sums over the pixels of `grad * x_hat` and of `grad`, (2, N, C)."""
    sums = []
    rows = _rows(x, [mean, inverse])
    for upstream, block, mean_, inverse_ in zip(_blocks(grad), _blocks(x), *rows, strict=True):
        moments = (inverse_, None, None, mean_, inverse_)  # the first is the weight
        options = (True, 0.0, [False, True, True])
        backward = torch.ops.aten.native_batch_norm_backward
        sums.append(torch.stack(backward(upstream, block, *moments, *options)[1:]))
    return torch.cat(sums, dim=1).view(2, *mean.shape)


def input_gradient(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, shared: Tensor) -> Tensor:
    """`weight * inverse * (grad - shared[1] - x_hat * shared[0])` as one map of each tensor."""
    scale = weight * inverse
    slope = -scale * inverse * shared[0]
    # The kernel subtracts a mean and divides by a spread: here by nothing.
    zero, one = torch.zeros_like(mean), torch.ones_like(mean)
    grad_x = normalize(grad, zero, one, scale, -scale * shared[1], 0.0)
    grad_x += normalize(x, mean, one, slope, zero, 0.0)
    return grad_x


def _blocks(x: Tensor) -> list[Tensor]:
    """Views (1, channels, h, w) in which batch norm is instance norm of `x`."""
    if x.is_contiguous():
        return [x.view(1, -1, *x.shape[2:])]
    return [x[n : n + 1] for n in range(x.shape[0])]


def _rows(x: Tensor, values: list[Tensor]) -> list[list[Tensor]]:
    """For each of `values`, (N, C), what belongs to each block of `x`."""
    if x.is_contiguous():
        return [[value.reshape(-1)] for value in values]
    return [list(value) for value in values]


def _moments(block: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (channels,) of one block (1, channels, h, w)."""
    _, channels, height, width = block.shape
    columns = 1
    if not block.is_contiguous():
        # The kernel that sums channels-last adds one by one. With every column of the image a
        # channel of its own it adds `height` values at a time, in one call and exact to the last
        # digits; columns are joined below.
        block, columns = block.permute(0, 2, 3, 1).reshape(1, height, 1, -1), width
        block = block.permute(0, 3, 1, 2)
    # Buffers in float32 make the kernel answer in float32 for a half-precision input.
    like = block.new_zeros(block.shape[1], dtype=torch.promote_types(block.dtype, torch.float32))
    mean, variance = torch.batch_norm_update_stats(block, like, like, 0.0)
    if columns == 1:
        return mean, variance
    means, variances = mean.view(columns, channels), variance.view(columns, channels)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)
