"""Instance and instance-batch normalisation of channels-last activations on a CPU, unsplit.

In and out: (N, C, h, w) in channels-last memory. The plain form copies both halves, normalises each
and joins them: three more passes over memory, two of which transpose. Here one pass takes the
moments of every channel of every image; those of the batch half follow from them (mean of means,
mean of variances plus variance of means); and one affine map a channel and image does the rest.
The passes themselves are torch's own batch-norm kernels, called on one image at a time: an image is
a contiguous block of channels-last memory, and a channel of one image is just what instance
normalisation reduces over.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Rows of pixels per call of the kernel that sums: it adds one by one in the input's precision, so
# that long sums lose digits; the parts are joined exactly.
_PIXELS_PER_SUM = 2048


# Values per image below which the calls cost more than the passes they save (measured on Zen 4:
# even at 16 thousand).
_WORTHWHILE = 128 * 128


@dataclass(frozen=True)
class BatchHalf:
    """The channels that are normalised over the batch.

    Attributes:
        channels: which.
        mean: (channels,) if given statistics apply (evaluation), else None.
        variance: likewise.
    """

    channels: slice
    mean: Tensor | None = None
    variance: Tensor | None = None


def is_worthwhile(x: Tensor) -> bool:
    """Whether `normalize` takes this tensor, and is faster than splitting it.

    False while a graph is captured: compilers and exporters know the plain form.
    """
    return (
        x.device.type == "cpu"
        and x.dim() == 4
        and x.shape[0] > 0
        and x[0].numel() >= _WORTHWHILE
        and x.dtype in (torch.float32, torch.float64, torch.bfloat16)
        and x.is_contiguous(memory_format=torch.channels_last)
        and not x.is_contiguous()
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


def normalize(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, batch: BatchHalf | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every channel of every image, or those of ``batch`` over the batch.

    Args:
        x: (N, C, h, w), see `is_worthwhile`.
        weight: (C,).
        bias: (C,).
        eps: added to variances.
        batch: the batch half; None = instance normalisation of all channels.

    Returns:
        The result in the dtype and layout of ``x``; mean and biased variance (channels,) of the
        batch half, empty without one.
    """
    with torch.no_grad():
        mean, variance = image_moments(x)
        channels = batch.channels if batch is not None else slice(0, 0)
        if batch is not None and batch.mean is not None and batch.variance is not None:
            batch_mean, batch_variance = batch.mean, batch.variance
        else:
            means = mean[:, channels]
            batch_mean = means.mean(0)
            # The spread of all pixels: that within images plus that between them.
            batch_variance = variance[:, channels].mean(0) + (means - batch_mean).square().mean(0)
        mean[:, channels], variance[:, channels] = batch_mean, batch_variance
    fixed = batch is not None and batch.mean is not None
    statistics = (mean, variance, channels, fixed, eps)
    weight, bias = weight.to(mean.dtype), bias.to(mean.dtype)
    return NormalizeByMoments.apply(x, weight, bias, *statistics), batch_mean, batch_variance


def image_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of every channel of every image.

    Args:
        x: (N, C, h, w), channels-last.

    Returns:
        mean and biased variance, both (N, C), float32, or float64 for a float64 input.
    """
    moments = [_moments(x[n : n + 1]) for n in range(x.shape[0])]
    return torch.stack([mean for mean, _ in moments]), torch.stack([var for _, var in moments])


def _moments(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (C,) of one image (1, C, h, w)."""
    _, channels, height, width = image.shape
    rows = max(1, _PIXELS_PER_SUM // width)
    # Buffers in float32 make the kernel answer in float32 for a half-precision input.
    like = image.new_zeros(channels, dtype=_statistics_dtype(image))
    parts = [
        torch.batch_norm_update_stats(image[:, :, top : top + rows], like, like, 0.0)
        for top in range(0, height, rows)
    ]
    if len(parts) == 1:
        return parts[0]
    means, variances = (torch.stack(list(part)) for part in zip(*parts, strict=True))
    counts = [min(rows, height - top) for top in range(0, height, rows)]
    share = torch.tensor(counts, dtype=means.dtype)[:, None] / height
    # torch's mean adds pairwise and is exact to the last digits, in float32 at a quarter of the
    # cost of the variance.
    mean = (means * share).sum(0) if image.dtype == torch.bfloat16 else image.mean((0, 2, 3))
    return mean, ((variances + (means - mean).square()) * share).sum(0)


def _statistics_dtype(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def apply_affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``x * scale + shift`` for every channel of every image, computed in float32.

    Args:
        x: (N, C, h, w), channels-last.
        scale: (N, C) in the dtype of the statistics.
        shift: likewise.
    """
    # The kernel subtracts the mean and divides by sqrt(variance + eps): here by nothing.
    return _normalize_each(x, scale, shift, torch.zeros_like(scale), torch.ones_like(scale))


def _normalize_each(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float = 0.0
) -> Tensor:
    """Batch norm of each image by given statistics; weight ... variance are (N, C)."""
    out = torch.empty_like(x)
    unused = x.new_empty(0, dtype=mean.dtype), x.new_empty(0, dtype=mean.dtype)
    for n in range(x.shape[0]):
        torch.native_batch_norm(
            x[n : n + 1],
            weight[n],
            bias[n],
            mean[n],
            variance[n],
            False,
            0.0,
            eps,
            out=(out[n : n + 1], *unused),
        )
    return out


class NormalizeByMoments(torch.autograd.Function):
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
        batch: slice,
        fixed: bool,
        eps: float,
    ) -> Tensor:
        """Normalise x (N, C, h, w) by mean and variance (N, C); weight and bias are (C,).

        ``batch`` are the channels of the batch half; ``fixed``: their statistics were given.
        """
        ctx.save_for_backward(x, weight, mean, variance)  # type: ignore[attr-defined]
        ctx.batch, ctx.fixed, ctx.eps = batch, fixed, eps  # type: ignore[attr-defined]
        images = x.shape[0]
        return _normalize_each(
            x, weight.expand(images, -1), bias.expand(images, -1), mean, variance, eps
        )

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        """Return the gradients of x, weight and bias."""
        x, weight, mean, variance = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        inverse = (variance + ctx.eps).rsqrt()
        grad_weights, grad_biases = _sums(grad, x, weight, mean, inverse)
        # dx = w / std * (g - mean(g) - x_hat * mean(g * x_hat)), means over what was normalised
        # together, as one affine map of g and one of x.
        pixels = x.shape[2] * x.shape[3]
        over_bias, over_weight = grad_biases / pixels, grad_weights / pixels
        for part in (over_bias, over_weight):
            part[:, ctx.batch] = 0 if ctx.fixed else part[:, ctx.batch].mean(0)
        scale = weight * inverse
        slope = -scale * inverse * over_weight
        offset = -scale * over_bias - slope * mean
        grad_x = apply_affine(grad, scale, torch.zeros_like(scale))
        grad_x += apply_affine(x, slope, offset)
        return grad_x, grad_weights.sum(0), grad_biases.sum(0), *(None,) * 5


def _sums(
    grad: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """Sums over the pixels of ``grad * x_hat`` and of ``grad``, each (N, C)."""
    sums = [
        torch.ops.aten.native_batch_norm_backward(
            grad[n : n + 1],
            x[n : n + 1],
            weight,
            None,
            None,
            mean[n],
            inverse[n],
            True,
            0.0,
            [False, True, True],
        )
        for n in range(x.shape[0])
    ]
    return torch.stack([part[1] for part in sums]), torch.stack([part[2] for part in sums])
