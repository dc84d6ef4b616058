"""Instance-batch normalisation, the building block of IBN-Net (Pan et al., ECCV 2018, section 3).

In and out: (N, C, h, w) float. Instance statistics are those of the single image, in training and
in evaluation alike, so a network with them sees a crop and a whole frame differently.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from segibn.models.kernels.ibn_unsplit import BatchHalf, is_for_passes, normalize

_NO_HALF = BatchHalf(channels=slice(0, 0))


class InstanceNorm2d(nn.InstanceNorm2d):
    """`nn.InstanceNorm2d` that keeps its input's layout, and gives the bias for a single pixel."""

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__(channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel of each image over its pixels."""
        if is_for_passes(x):
            ones = torch.ones(self.num_features, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
            affine = (self.weight, self.bias) if self.affine else (ones, torch.zeros_like(ones))
            return normalize(x, *affine, self.eps, _NO_HALF)[0]
        if x.shape[-2:] == (1, 1):
            x = x - x.detach()  # exactly zero, where rounding times 1 / sqrt(eps) would not be
        # The CPU's channels-last kernel takes the variance as a difference of large sums.
        as_nchw = x.device.type == "cpu" and not torch.compiler.is_compiling()
        # One group per channel is the same formula. torch's own function, since that of
        # torch.nn.functional complains about a single pixel of a single image.
        out = torch.group_norm(x.contiguous() if as_nchw else x, self.num_features, self.weight, self.bias, self.eps)
        if as_nchw and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
            out = out.contiguous(memory_format=torch.channels_last)
        # Autocast computes group norms in float32; what follows shall not pay for that.
        return out.to(x.dtype)


class InstanceBatchNorm2d(nn.Module):
    """Instance-normalises a share of the channels by `IN` and batch-normalises the rest by `BN`.

    A half without channels does not exist. With `batch_first`, as in DenseNet-IBN, the first
    floor(C * (1 - ratio)) channels are the batch half; else floor(C * ratio) are the instance half.
    """

    def __init__(self, channels: int, ratio: float = 0.5, *, batch_first: bool = False) -> None:
        super().__init__()
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"ratio is a share of the channels and lies in 0..1, got {ratio}")
        self.num_instance = channels - int(channels * (1 - ratio)) if batch_first else int(channels * ratio)
        self.num_features, self.num_batch = channels, channels - self.num_instance
        self.batch_first = batch_first
        first = self.num_batch if batch_first else self.num_instance
        halves = slice(0, first), slice(first, channels)
        self.batch_channels, self.instance_channels = halves if batch_first else halves[::-1]
        norms = [("IN", InstanceNorm2d, self.num_instance), ("BN", nn.BatchNorm2d, self.num_batch)]
        for name, kind, count in norms[::-1] if batch_first else norms:  # the published order
            setattr(self, name, kind(count) if count else None)

    def forward(self, x: Tensor) -> Tensor:
        """Normalises (N, C, h, w); the order of the channels stays."""
        if self.IN is None:
            return self.BN(x)
        if self.BN is None:
            return self.IN(x)
        over_ranks = _is_over_ranks(self.BN)
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting() and not over_ranks:
            return self.formula_form(x)
        if not is_for_passes(x):
            return self.split_form(x)
        bn = self.BN
        given = {} if bn.training else {"mean": bn.running_mean, "variance": bn.running_var}
        group = getattr(bn, "process_group", None)
        half = BatchHalf(channels=self.batch_channels, **given, synchronized=over_ranks, group=group)
        weight = self._ordered(self.IN.weight, bn.weight)
        out, moments = normalize(x, weight, self._ordered(self.IN.bias, bn.bias), bn.eps, half)
        if bn.training:
            update_running(bn, *moments)
        return out

    def split_form(self, x: Tensor) -> Tensor:
        """The definition: split, normalise each half, join. What `forward` equals, and often is."""
        instance, batch = self.IN(x[:, self.instance_channels]), self.BN(x[:, self.batch_channels])
        return self._ordered(instance, batch, dim=1)

    def formula_form(self, x: Tensor) -> Tensor:
        """The same in elementary operations, which a compiler fuses into two passes over memory."""
        bn, instance, batch = self.BN, self.instance_channels, self.batch_channels
        values = x if x.dtype == torch.float64 else x.float()
        variance, mean = torch.var_mean(values, dim=(2, 3), correction=0)  # (N, C)
        if bn.training:
            batch_mean = mean[:, batch].mean(0)
            batch_variance = variance[:, batch].mean(0) + (mean[:, batch] - batch_mean).square().mean(0)
            update_running(bn, batch_mean, batch_variance, x.numel() // x.shape[1])
        else:
            batch_mean, batch_variance = bn.running_mean, bn.running_var
        mean = self._ordered(mean[:, instance], batch_mean.expand(x.shape[0], -1))
        variance = self._ordered(variance[:, instance], batch_variance.expand(x.shape[0], -1))
        scale = (variance + bn.eps).rsqrt() * self._ordered(self.IN.weight, bn.weight)
        bias = self._ordered(self.IN.bias, bn.bias)
        centred = values - mean[:, :, None, None]
        return (centred * scale[:, :, None, None] + bias[:, None, None]).to(x.dtype)

    def _ordered(self, instance: Tensor, batch: Tensor, dim: int = -1) -> Tensor:
        """Join two tensors in the order of the channels, which are `dim`."""
        return torch.cat([batch, instance] if self.batch_first else [instance, batch], dim=dim)


class ParallelInstanceBatchNorm2d(nn.Module):
    """Instance and batch norm of all channels side by side (IBN-c); twice as many come out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.IN = InstanceNorm2d(channels)
        self.BN = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, 2C, h, w), the instance-normalised half first."""
        return torch.cat([self.IN(x), self.BN(x)], dim=1)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor) -> Tensor:
        values = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        return sum_over_ranks(gradient)


def sum_over_ranks(values: Tensor) -> Tensor:
    """Add a tensor up over all ranks; its gradient is added up likewise, as every rank uses the sum."""
    return _SumOverRanks.apply(values)


def update_running(bn: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int | Tensor) -> None:
    """Average in place as `nn.BatchNorm2d`: mean and biased variance (C,) of `count` values."""
    mean, variance = mean.detach(), variance.detach()
    with torch.no_grad():
        bn.num_batches_tracked.add_(1)
        rate = 1 / int(bn.num_batches_tracked) if bn.momentum is None else bn.momentum
        bn.running_mean.lerp_(mean.to(bn.running_mean.dtype), rate)
        bn.running_var.lerp_((variance * (count / (count - 1))).to(bn.running_var.dtype), rate)


def _is_over_ranks(bn: nn.modules.batchnorm._BatchNorm) -> bool:
    """Whether a batch norm takes its statistics from all ranks: any synchronised kind, at work."""
    if type(bn) is nn.BatchNorm2d or not bn.training or not dist.is_initialized():
        return False
    return dist.get_world_size(getattr(bn, "process_group", None)) > 1
