"""Instance and instance-batch normalisation without splitting the input.

In and out: (N, C, h, w), NCHW or channels-last, the layout stays. The published form copies both
halves of the channels, normalises each and joins them: three more passes over memory. Here one pass
takes the moments of every channel of every image; those of the batch half follow from them (mean of
means; mean of variances plus variance of means); and one pass applies one affine map a channel and
image. The passes are the device's: ``ibn_cpu`` has torch's own kernels, ``ibn_triton`` ours for
CUDA. What lies between them is here, in elementary operations on (N, C) tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from segibn.models.kernels import ibn_cpu


class Passes(NamedTuple):
    """What a device has to offer; N images, C channels, statistics float32 (float64 for float64).

    Attributes:
        image_moments: x -> mean and biased variance of every channel of every image, (N, C) each.
        normalize: (x, mean, variance, weight (C,), bias (C,), eps) -> normalised x.
        gradient_sums: (grad, x, mean, inverse) -> sums over the pixels of ``grad * x_hat`` and of
            ``grad``, (N, C) each, where ``x_hat = (x - mean) * inverse``.
        input_gradient: (grad, x, mean, inverse, weight, over_weight, over_bias) ->
            ``weight * inverse * (grad - over_bias - x_hat * over_weight)``.
    """

    image_moments: Callable[..., tuple[Tensor, Tensor]]
    normalize: Callable[..., Tensor]
    gradient_sums: Callable[..., tuple[Tensor, Tensor]]
    input_gradient: Callable[..., Tensor]


CPU_PASSES = Passes(
    ibn_cpu.image_moments, ibn_cpu.normalize, ibn_cpu.gradient_sums, ibn_cpu.input_gradient
)


@dataclass(frozen=True)
class BatchHalf:
    """The channels that are normalised over the batch.

    Attributes:
        channels: which.
        mean: (channels,) if given statistics apply (evaluation), else None.
        variance: likewise.
        synchronized: statistics are those of the images of all ranks.
        group: the ranks; None = all.
    """

    channels: slice
    mean: Tensor | None = None
    variance: Tensor | None = None
    synchronized: bool = False
    group: dist.ProcessGroup | None = None


class BatchMoments(NamedTuple):
    """Statistics of the batch half: mean and biased variance (channels,), and of how many values.

    The count is a number, or a 0-dim tensor where it was added over ranks.
    """

    mean: Tensor
    variance: Tensor
    count: int | Tensor


def normalize(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, passes: Passes, batch: BatchHalf
) -> tuple[Tensor, BatchMoments]:
    """Normalise every channel of every image, but those of ``batch`` over the batch.

    Args:
        x: (N, C, h, w), of a kind that ``passes`` takes.
        weight: (C,).
        bias: (C,).
        eps: added to variances.
        passes: of the device.
        batch: the batch half; its slice is empty for pure instance normalisation.

    Returns:
        The result in the dtype and layout of ``x``, and the statistics of the batch half.
    """
    count: int | Tensor = x.numel() // x.shape[1]
    with torch.no_grad():
        mean, variance = passes.image_moments(x)
        if batch.mean is not None and batch.variance is not None:
            moments = BatchMoments(batch.mean, batch.variance, count)
        else:
            moments = _batch_moments(mean[:, batch.channels], variance[:, batch.channels], count)
            if batch.synchronized:
                moments = _moments_over_ranks(moments, batch.group)
        mean[:, batch.channels], variance[:, batch.channels] = moments.mean, moments.variance
    weight, bias = weight.to(mean.dtype), bias.to(mean.dtype)
    share = _Share(batch, moments.count)
    out = _NormalizeByMoments.apply(x, weight, bias, mean, variance, eps, passes, share)
    return out, moments


class _Share(NamedTuple):
    """Which channels share their statistics, over how many values."""

    batch: BatchHalf
    count: int | Tensor


def _batch_moments(mean: Tensor, variance: Tensor, count: int) -> BatchMoments:
    """Join images' moments (N, channels): the spread within images and that between them."""
    batch_mean = mean.mean(0)
    between = (mean - batch_mean).square().mean(0)
    return BatchMoments(batch_mean, variance.mean(0) + between, count)


def _moments_over_ranks(local: BatchMoments, group: dist.ProcessGroup | None) -> BatchMoments:
    """Join the ranks' moments by one sum; ranks may hold different numbers of images.

    In float64, where a mean square less a squared mean loses nothing that float32 has.
    """
    mean, variance = local.mean.double(), local.variance.double()
    sums = torch.stack([torch.ones_like(mean), mean, variance + mean.square()]) * local.count
    dist.all_reduce(sums, group=group)
    count, mean, square = sums[0], sums[1] / sums[0], sums[2] / sums[0]
    variance = (square - mean.square()).clamp_(min=0)
    dtype = local.mean.dtype
    total = count[0] if count.numel() else count.new_tensor(local.count)
    return BatchMoments(mean.to(dtype), variance.to(dtype), total)


class _NormalizeByMoments(torch.autograd.Function):
    """Normalises by moments that were computed from the input itself, halves apart.

    The gradient is that of the whole, statistics included.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        passes: Passes,
        share: _Share,
    ) -> Tensor:
        """Return the normalised ``x``; ``mean`` and ``variance`` are (N, C)."""
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.passes, ctx.share = eps, passes, share
        return passes.normalize(x, mean, variance, weight, bias, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        """Return the gradients of x, weight and bias."""
        x, weight, mean, variance = ctx.saved_tensors
        grad = grad.contiguous(memory_format=layout_of(x))
        inverse = (variance + ctx.eps).rsqrt()
        grad_weights, grad_biases = ctx.passes.gradient_sums(grad, x, mean, inverse)
        # dx = w / std * (g - mean(g) - x_hat * mean(g * x_hat)), means over what was normalised
        # together.
        pixels = x.shape[2] * x.shape[3]
        over_weight, over_bias = grad_weights / pixels, grad_biases / pixels
        _share_means(over_weight, over_bias, grad_weights, grad_biases, ctx.share)
        grad_x = ctx.passes.input_gradient(grad, x, mean, inverse, weight, over_weight, over_bias)
        return grad_x, grad_weights.sum(0), grad_biases.sum(0), *(None,) * 5


def _share_means(
    over_weight: Tensor, over_bias: Tensor, grad_weights: Tensor, grad_biases: Tensor, share: _Share
) -> None:
    """Replace the batch half of the first two, (N, C), by means over all that it was taken over."""
    batch, channels = share.batch, share.batch.channels
    if batch.mean is not None:  # given statistics do not depend on the input
        over_weight[:, channels], over_bias[:, channels] = 0, 0
        return
    sums = torch.stack([grad_weights[:, channels].sum(0), grad_biases[:, channels].sum(0)])
    if batch.synchronized:
        dist.all_reduce(sums, group=batch.group)
    over_weight[:, channels], over_bias[:, channels] = (sums / share.count).to(over_weight.dtype)


def layout_of(x: Tensor) -> torch.memory_format:
    """The memory format of a tensor that is dense in one of the two."""
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last
