"""Instance and instance-batch normalisation, NCHW or channels-last, without splitting the input.

One pass takes the moments of every channel of every image; those of the batch follow from them
(mean of means; mean of variances plus variance of means); `BatchHalf` or `ImageShare` makes of them
what is normalised by; and one pass applies one affine map a channel and image. The passes are those
of `ibn_cpu`; statistics are float32, float64 for a float64 input, and
`x_hat = (x - mean) * inverse`:

    image_moments(x) -> mean and biased variance of every channel of every image, (N, C) each
    normalize(x, mean, variance, weight (C,), bias (C,), eps) -> normalised x
    gradient_sums(grad, x, mean, inverse) -> sums of `grad * x_hat` and of `grad`, (2, N, C)
    input_gradient(grad, x, mean, inverse, weight, shared (2, N, C))
        -> `weight * inverse * (grad - shared[1] - x_hat * shared[0])`
"""

from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from segibn.models.kernels import ibn_cpu, is_eager

_WORTHWHILE = 128 * 128  # values per image that repay the calls (measured on Zen 4)
_CPU_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def passes_for(x: Tensor) -> ModuleType | None:
    """The passes that take this tensor faster than splitting does; None = split it."""
    # First, since sizes asked for while a graph is captured become conditions of the graph.
    if not is_eager() or x.dim() != 4 or x.shape[0] == 0 or x.shape[2] * x.shape[3] < 2:
        return None
    if not x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last):
        return None
    if x.device.type == "cpu":
        return ibn_cpu if x[0].numel() >= _WORTHWHILE and x.dtype in _CPU_DTYPES else None
    return None


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


@dataclass(frozen=True)
class BatchHalf:
    """The channels that are normalised over the batch, the others over the image."""

    channels: slice
    mean: Tensor | None = None  # (channels,) if given statistics apply (evaluation)
    variance: Tensor | None = None  # likewise
    synchronized: bool = False  # statistics are those of the images of all ranks
    group: dist.ProcessGroup | None = None  # the ranks; None = all

    def mixed(self, mean: Tensor, variance: Tensor, count: int) -> tuple[Mixed, BatchMoments]:
        """Moments (N, C) of the images -> those to normalise by, and the batch half's."""
        moments = _batch_moments(self, mean[:, self.channels], variance[:, self.channels], count)
        mean[:, self.channels], variance[:, self.channels] = moments.mean, moments.variance
        return Mixed(mean, variance, mean), moments

    def shared(self, sums: Tensor, pixels: int, norm: Mixed, inverse: Tensor, moments: BatchMoments) -> Tensor:
        """Sums (2, N, C) of `gradient_sums` -> what `input_gradient` takes off, (2, N, C)."""
        # dx = w / std * (g - mean(g) - x_hat * mean(g * x_hat)), means over what was normalised
        # together.
        means = sums / pixels
        if self.mean is not None:  # given statistics do not depend on the input
            means[:, :, self.channels] = 0
        else:
            over_images = _over_ranks(self, sums[:, :, self.channels].sum(1))
            means[:, :, self.channels] = (over_images / moments.count).to(means.dtype)[:, None]
        return means


@dataclass(frozen=True)
class ImageShare:
    """Every channel's statistics are a mix: `share` (C,) of the image's, the rest the batch's."""

    share: Tensor
    mean: Tensor | None = None
    variance: Tensor | None = None
    synchronized: bool = False
    group: dist.ProcessGroup | None = None

    def mixed(self, mean: Tensor, variance: Tensor, count: int) -> tuple[Mixed, BatchMoments]:
        """See `BatchHalf`."""
        moments = _batch_moments(self, mean, variance, count)
        share = self.share.to(mean.dtype)
        mixed = torch.lerp(moments.mean.expand_as(mean), mean, share)
        return Mixed(mixed, torch.lerp(moments.variance.expand_as(mean), variance, share), mean), moments

    def shared(self, sums: Tensor, pixels: int, norm: Mixed, inverse: Tensor, moments: BatchMoments) -> Tensor:
        """See `BatchHalf`."""
        # With r = 1 / std of the mix, a pixel x of image n gets through the image's moments, with
        # its mean m: share / pixels * (sum(r g) + sum(r^2 g x_hat) (x - m)); through the batch's,
        # with sums over images too, and its mean m: (1 - share) / count * (the same). Both are
        # written around the mixed mean and divided by r and r^2, as `input_gradient` wants them.
        share = self.share.to(inverse.dtype)
        slopes, levels = sums[0] * inverse.square(), sums[1] * inverse
        slope, level = share / pixels * slopes, share / pixels * levels
        level = level + slope * (norm.mean - norm.image_mean)
        if self.mean is None:
            over_images = _over_ranks(self, torch.stack([slopes.sum(0), levels.sum(0)]))
            of_batch = ((1 - share) * over_images / moments.count).to(slope.dtype)
            slope = slope + of_batch[0]
            level = level + of_batch[1] + of_batch[0] * (norm.mean - moments.mean)
        return torch.stack([slope / inverse.square(), level / inverse])


Statistics = BatchHalf | ImageShare


def normalize(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, passes: ModuleType, by: Statistics
) -> tuple[Tensor, BatchMoments]:
    """Normalise every channel of every image by `by`; also give the statistics of the batch."""
    with torch.no_grad():
        norm, moments = by.mixed(*passes.image_moments(x), x.numel() // x.shape[1])
    weight, bias = weight.to(norm.mean.dtype), bias.to(norm.mean.dtype)
    return _NormalizeByMoments.apply(x, weight, bias, norm, moments, eps, passes, by), moments


def _batch_moments(by: Statistics, means: Tensor, variances: Tensor, count: int) -> BatchMoments:
    """Those given, or the images' moments joined: spread within images and between them."""
    if by.mean is not None and by.variance is not None:
        return BatchMoments(by.mean, by.variance, count)
    mean = means.mean(0)
    between = (means - mean).square().mean(0)
    moments = BatchMoments(mean, variances.mean(0) + between, count)
    return _moments_over_ranks(moments, by.group) if by.synchronized else moments


def _over_ranks(by: Statistics, sums: Tensor) -> Tensor:
    if by.synchronized:
        dist.all_reduce(sums, group=by.group)
    return sums


def _moments_over_ranks(local: BatchMoments, group: dist.ProcessGroup | None) -> BatchMoments:
    mean, variance = local.mean.double(), local.variance.double()
    sums = torch.stack([torch.ones_like(mean), mean, variance + mean.square()]) * local.count
    dist.all_reduce(sums, group=group)
    count, mean, square = sums[0], sums[1] / sums[0], sums[2] / sums[0]
    variance = (square - mean.square()).clamp_(min=0)
    dtype = local.mean.dtype
    total = count[0] if count.numel() else count.new_tensor(local.count)
    return BatchMoments(mean.to(dtype), variance.to(dtype), total)


class _NormalizeByMoments(torch.autograd.Function):
    """Normalises by moments (N, C) of the input itself; the gradient is that of the whole."""

    @staticmethod
    def forward(ctx, x, weight, bias, norm, moments, eps, passes, by):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, weight)
        ctx.norm, ctx.moments, ctx.eps, ctx.passes, ctx.by = norm, moments, eps, passes, by
        return passes.normalize(x, norm.mean, norm.variance, weight, bias, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        (x, weight), norm = ctx.saved_tensors, ctx.norm
        layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
        grad = grad.contiguous(memory_format=layout)
        inverse = (norm.variance + ctx.eps).rsqrt()
        sums = ctx.passes.gradient_sums(grad, x, norm.mean, inverse)
        pixels = x.shape[2] * x.shape[3]
        shared = ctx.by.shared(sums, pixels, norm, inverse, ctx.moments)
        grad_x = ctx.passes.input_gradient(grad, x, norm.mean, inverse, weight, shared)
        return grad_x, *sums.sum(1), *(None,) * 5
