"""Instance and instance-batch normalisation on a CPU, NCHW or channels-last, without splitting the input.

One pass takes the moments of every channel of every image; those of the batch follow from them
(mean of means; mean of variances plus variance of means); `BatchHalf` or `ImageShare` makes of them
what is normalised by; and one pass applies one affine map a channel and image. Statistics are
float32, float64 for a float64 input, and `x_hat = (x - mean) * inverse`.

The passes are torch's own batch-norm kernels, called so that a channel of one image is what they
reduce over: a channels-last image goes in alone, an NCHW batch as a single image of N * C channels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from segibn.models.kernels import is_eager

_WORTHWHILE = 128 * 128  # values per image that repay the calls (measured on Zen 4)
_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def is_for_passes(x: Tensor) -> bool:
    """Whether the passes take this tensor faster than splitting does."""
    # First, since sizes asked for while a graph is captured become conditions of the graph.
    if not is_eager() or x.dim() != 4 or x.shape[0] == 0 or x.shape[2] * x.shape[3] < 2:
        return False
    if not x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last):
        return False
    return x.device.type == "cpu" and x[0].numel() >= _WORTHWHILE and x.dtype in _DTYPES


class BatchMoments(NamedTuple):
    """Of what is normalised over the batch, (C,), and of how many values: a tensor over ranks."""

    mean: Tensor
    variance: Tensor
    count: int | Tensor


class Mixed(NamedTuple):
    """What every channel of every image is normalised by, (N, C)."""

    mean: Tensor
    variance: Tensor
    image_mean: Tensor  # of the image alone; the same tensor where they do not differ


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What is normalised by: the batch's part of it is given, or joined of its images'."""

    mean: Tensor | None = None  # (channels,) if given statistics apply (evaluation)
    variance: Tensor | None = None  # likewise
    synchronized: bool = False  # statistics are those of the images of all ranks
    group: dist.ProcessGroup | None = None  # the ranks; None = all

    def batch_moments(self, means: Tensor, variances: Tensor, count: int) -> BatchMoments:
        """Those given, or the images' moments joined: spread within images and between them."""
        if self.mean is not None and self.variance is not None:
            return BatchMoments(self.mean, self.variance, count)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        if not self.synchronized:
            return BatchMoments(mean, variance, count)
        exact, spread = mean.double(), variance.double()
        sums = torch.stack([torch.ones_like(exact), exact, spread + exact.square()]) * count
        total, exact, square = self.over_ranks(sums)
        exact, square = exact / total, square / total
        spread = (square - exact.square()).clamp_(min=0)
        return BatchMoments(exact.to(mean.dtype), spread.to(mean.dtype), total[0])

    def over_ranks(self, sums: Tensor) -> Tensor:
        """Sum of all ranks, in place, where statistics are."""
        if self.synchronized:
            dist.all_reduce(sums, group=self.group)
        return sums


@dataclass(frozen=True, kw_only=True)
class BatchHalf(Statistics):
    """Some channels are normalised over the batch, the others over the image."""

    channels: slice

    def mixed(self, mean: Tensor, variance: Tensor, count: int) -> tuple[Mixed, BatchMoments]:
        """Moments (N, C) of the images -> those to normalise by, and the batch's."""
        moments = self.batch_moments(mean[:, self.channels], variance[:, self.channels], count)
        mean[:, self.channels], variance[:, self.channels] = moments.mean, moments.variance
        return Mixed(mean, variance, mean), moments

    def shared(self, sums: Tensor, pixels: int, norm: Mixed, inverse: Tensor, moments: BatchMoments) -> Tensor:
        """Sums (2, N, C) of `_gradient_sums` -> what `_input_gradient` takes off, (2, N, C)."""
        # dx = w / std * (g - mean(g) - x_hat * mean(g * x_hat)), means over what was normalised
        # together.
        means = sums / pixels
        if self.mean is not None:  # given statistics do not depend on the input
            means[:, :, self.channels] = 0
        else:
            over_images = self.over_ranks(sums[:, :, self.channels].sum(1))
            means[:, :, self.channels] = (over_images / moments.count).to(means.dtype)[:, None]
        return means


@dataclass(frozen=True, kw_only=True)
class ImageShare(Statistics):
    """Every channel's statistics are a mix: `share` (C,) of the image's, the rest the batch's."""

    share: Tensor

    def mixed(self, mean: Tensor, variance: Tensor, count: int) -> tuple[Mixed, BatchMoments]:
        """See `BatchHalf`."""
        moments = self.batch_moments(mean, variance, count)
        share = self.share.to(mean.dtype)
        mixed = torch.lerp(moments.mean.expand_as(mean), mean, share)
        return Mixed(mixed, torch.lerp(moments.variance.expand_as(mean), variance, share), mean), moments

    def shared(self, sums: Tensor, pixels: int, norm: Mixed, inverse: Tensor, moments: BatchMoments) -> Tensor:
        """See `BatchHalf`."""
        # With r = 1 / std of the mix, a pixel x of image n gets through the image's moments, with
        # its mean m: share / pixels * (sum(r g) + sum(r^2 g x_hat) (x - m)); through the batch's,
        # with sums over images too, and its mean m: (1 - share) / count * (the same). Both are
        # written around the mixed mean and divided by r and r^2, as `_input_gradient` wants them.
        share = self.share.to(inverse.dtype)
        slopes, levels = sums[0] * inverse.square(), sums[1] * inverse
        slope, level = share / pixels * slopes, share / pixels * levels
        level = level + slope * (norm.mean - norm.image_mean)
        if self.mean is None:
            over_images = self.over_ranks(torch.stack([slopes.sum(0), levels.sum(0)]))
            of_batch = ((1 - share) * over_images / moments.count).to(slope.dtype)
            slope = slope + of_batch[0]
            level = level + of_batch[1] + of_batch[0] * (norm.mean - moments.mean)
        return torch.stack([slope / inverse.square(), level / inverse])


def normalize(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, by: BatchHalf | ImageShare
) -> tuple[Tensor, BatchMoments]:
    """Normalise every channel of every image by `by`; also give the statistics of the batch."""
    with torch.no_grad():
        moments = [_moments(block) for block in _blocks(x)]
        mean, variance = (torch.cat(list(part)).view(x.shape[:2]) for part in zip(*moments, strict=True))
        norm, of_batch = by.mixed(mean, variance, x.numel() // x.shape[1])
    weight, bias = weight.to(norm.mean.dtype), bias.to(norm.mean.dtype)
    return _NormalizeByMoments.apply(x, weight, bias, norm, of_batch, eps, by), of_batch


class _NormalizeByMoments(torch.autograd.Function):
    """Normalises by moments (N, C) of the input itself; the gradient is that of the whole."""

    @staticmethod
    def forward(ctx, x, weight, bias, norm, moments, eps, by):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, weight)
        ctx.norm, ctx.moments, ctx.eps, ctx.by = norm, moments, eps, by
        return _normalized(x, norm.mean, norm.variance, weight, bias, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        (x, weight), norm = ctx.saved_tensors, ctx.norm
        layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
        grad = grad.contiguous(memory_format=layout)
        inverse = (norm.variance + ctx.eps).rsqrt()
        sums = _gradient_sums(grad, x, norm.mean, inverse)
        shared = ctx.by.shared(sums, x.shape[2] * x.shape[3], norm, inverse, ctx.moments)
        return _input_gradient(grad, x, norm.mean, inverse, weight, shared), *sums.sum(1), *(None,) * 4


def _normalized(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`(x - mean) / sqrt(variance + eps) * weight + bias`; weight and bias are (C,) or (N, C)."""
    out = torch.empty_like(x)
    unused = x.new_empty(0, dtype=mean.dtype), x.new_empty(0, dtype=mean.dtype)
    values = [weight.expand_as(mean), bias.expand_as(mean), mean, variance]
    for block, target, *parameters in zip(_blocks(x), _blocks(out), *_rows(x, values), strict=True):
        torch.native_batch_norm(block, *parameters, False, 0.0, eps, out=(target, *unused))
    return out


def _gradient_sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """Sums over the pixels of `grad * x_hat` and of `grad`, (2, N, C)."""
    sums = []
    backward = torch.ops.aten.native_batch_norm_backward
    for upstream, block, mean_, inverse_ in zip(_blocks(grad), _blocks(x), *_rows(x, [mean, inverse]), strict=True):
        moments = (inverse_, None, None, mean_, inverse_)  # the first is the weight
        sums.append(torch.stack(backward(upstream, block, *moments, True, 0.0, [False, True, True])[1:]))
    return torch.cat(sums, dim=1).view(2, *mean.shape)


def _input_gradient(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, shared: Tensor) -> Tensor:
    """`weight * inverse * (grad - shared[1] - x_hat * shared[0])` as one map of each tensor."""
    scale = weight * inverse
    slope = -scale * inverse * shared[0]
    # The kernel subtracts a mean and divides by a spread: here by nothing.
    zero, one = torch.zeros_like(mean), torch.ones_like(mean)
    grad_x = _normalized(grad, zero, one, scale, -scale * shared[1], 0.0)
    grad_x += _normalized(x, mean, one, slope, zero, 0.0)
    return grad_x


def _blocks(x: Tensor) -> list[Tensor]:
    """Views (1, channels, h, w) in which batch norm is instance norm of `x`."""
    return [x.view(1, -1, *x.shape[2:])] if x.is_contiguous() else list(x.split(1))


def _rows(x: Tensor, values: list[Tensor]) -> list[list[Tensor]]:
    """For each of `values`, (N, C), what belongs to each block of `x`."""
    return [[value.reshape(-1)] if x.is_contiguous() else list(value) for value in values]


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
