"""Instance and instance-batch normalisation, NCHW or channels-last, without splitting the input.

One pass takes the moments of every channel of every image; those of the batch half follow from them
(mean of means; mean of variances plus variance of means); and one pass applies one affine map a
channel and image. The passes are a module's, `ibn_cpu` or `ibn_triton`; statistics are float32,
float64 for a float64 input, and `x_hat = (x - mean) * inverse`:

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


def passes_for(x: Tensor, *, use_triton: bool = False) -> ModuleType | None:
    """The passes that take this tensor faster than splitting does; None = split it."""
    # First, since sizes asked for while a graph is captured become conditions of the graph.
    if not is_eager() or x.dim() != 4 or x.shape[0] == 0 or x.shape[2] * x.shape[3] < 2:
        return None
    if not x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last):
        return None
    if x.device.type == "cpu":
        return ibn_cpu if x[0].numel() >= _WORTHWHILE and x.dtype in _CPU_DTYPES else None
    if use_triton and x.is_cuda and 0 < x[0].numel() < 2**31:
        from segibn.models.kernels import ibn_triton

        return ibn_triton
    return None


@dataclass(frozen=True)
class BatchHalf:
    """The channels that are normalised over the batch."""

    channels: slice
    mean: Tensor | None = None  # (channels,) if given statistics apply (evaluation)
    variance: Tensor | None = None  # likewise
    synchronized: bool = False  # statistics are those of the images of all ranks
    group: dist.ProcessGroup | None = None  # the ranks; None = all


class BatchMoments(NamedTuple):
    """Of the batch half, (channels,), and of how many values: a tensor if added over ranks."""

    mean: Tensor
    variance: Tensor
    count: int | Tensor


def normalize(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, passes: ModuleType, batch: BatchHalf
) -> tuple[Tensor, BatchMoments]:
    """Normalise every channel of every image, but those of `batch` (maybe none) over the batch."""
    count: int | Tensor = x.numel() // x.shape[1]
    with torch.no_grad():
        mean, variance = passes.image_moments(x)
        if batch.mean is not None and batch.variance is not None:
            moments = BatchMoments(batch.mean, batch.variance, count)
        else:
            # Join images' moments: the spread within images and that between them.
            means = mean[:, batch.channels]
            batch_mean = means.mean(0)
            between = (means - batch_mean).square().mean(0)
            within = variance[:, batch.channels].mean(0)
            moments = BatchMoments(batch_mean, within + between, count)
            if batch.synchronized:
                moments = _moments_over_ranks(moments, batch.group)
        mean[:, batch.channels], variance[:, batch.channels] = moments.mean, moments.variance
    weight, bias = weight.to(mean.dtype), bias.to(mean.dtype)
    given = (mean, variance, eps, passes, batch, moments.count)
    return _NormalizeByMoments.apply(x, weight, bias, *given), moments


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
    def forward(ctx, x, weight, bias, mean, variance, eps, passes, batch, count):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.passes, ctx.batch, ctx.count = eps, passes, batch, count
        return passes.normalize(x, mean, variance, weight, bias, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        x, weight, mean, variance = ctx.saved_tensors
        layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
        grad = grad.contiguous(memory_format=layout)
        inverse = (variance + ctx.eps).rsqrt()
        sums = ctx.passes.gradient_sums(grad, x, mean, inverse)
        # dx = w / std * (g - mean(g) - x_hat * mean(g * x_hat)), means over what was normalised
        # together.
        means = sums / (x.shape[2] * x.shape[3])
        batch, channels = ctx.batch, ctx.batch.channels
        if batch.mean is not None:  # given statistics do not depend on the input
            means[:, :, channels] = 0
        else:
            over_images = sums[:, :, channels].sum(1)
            if batch.synchronized:
                dist.all_reduce(over_images, group=batch.group)
            means[:, :, channels] = (over_images / ctx.count).to(means.dtype)[:, None]
        grad_x = ctx.passes.input_gradient(grad, x, mean, inverse, weight, means)
        return grad_x, *sums.sum(1), *(None,) * 6
