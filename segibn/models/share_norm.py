"""A norm between batch and instance: every channel takes a share of its image's own statistics.

For channel c with share a: mean = (1 - a) * batch's + a * image's, the variance likewise, then
batch norm's weight, bias and eps. All 0 is batch norm; 0 and 1 are IBN's halves (arXiv 1807.09441,
section 3.2); one constant is self-adaptive normalisation (Bahmani et al., arXiv 2208.05788); TTN
(Lim et al., arXiv 2302.05155) learns one a channel. Batch-instance norm (arXiv 1805.07925) mixes
outputs.

Parameters and buffers are those of `nn.BatchNorm2d` under its names, so that its weights fit.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d, sum_over_ranks, update_running
from segibn.models.kernels.ibn_unsplit import ImageShare, is_for_passes, normalize

_TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class Eased(nn.Module):
    """What starts as the network it replaces and becomes itself over the first `ease` updates."""

    ease = 0
    """Updates until the end; 0 = there from the start."""
    progress = 1.0
    """From 0 to 1, linear in updates; a number, since eager code chooses its path by it."""
    share: Tensor
    """What there is of it now; compiled code reads this alone."""
    whole: Tensor
    """What there is at the end."""

    def _hold(self, whole: Tensor) -> None:
        # Neither is saved: the config says the end, and an iteration how far it is.
        self.register_buffer("whole", whole, persistent=False)
        self.register_buffer("share", whole.clone(), persistent=False)

    @torch.no_grad()
    def set_iteration(self, iteration: int) -> None:
        """Be where the update with this index, from 0, finds it."""
        self.progress = min(1.0, iteration / self.ease) if self.ease else 1.0
        self.share.copy_(self.whole * self.progress)


class InstanceShareNorm2d(Eased):
    """Normalises (N, C, h, w) by a mix of batch statistics and those of each image.

    Batch statistics in training, running ones in evaluation; the image's in both. Statistics are
    float32 under autocast. `drop` and `act` are what a fused norm of timm does afterwards.
    """

    def __init__(self, channels: int, share: Tensor | float, *, ease: int = 0) -> None:
        super().__init__()
        # On the CPU whatever the default device: networks are outlined on "meta".
        values = torch.as_tensor(share, dtype=torch.float32, device="cpu")
        values = values.expand(channels).clone()
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise ValueError(f"a share of the image's statistics lies in 0..1, got {share}")
        self.num_features, self.eps, self.ease = channels, 1e-5, ease
        self.momentum: float | None = 0.1
        self.is_synchronized = False  # over ranks
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self._hold(values)
        self.is_batch_norm = not bool(values.any())
        self.drop: nn.Module | None = None
        self.act: nn.Module | None = None

    @classmethod
    def taking_over(cls, norm: nn.Module, share: Tensor | float, *, ease: int = 0) -> "InstanceShareNorm2d":
        """Make one of a batch norm, an IBN layer or another of these; it shares their tensors.

        The batch half of an IBN layer gets the share; where there is one already, both are mixed.
        """
        share = torch.as_tensor(share, dtype=torch.float32, device="cpu")
        if isinstance(norm, InstanceBatchNorm2d):
            return _of_halves(norm, share)
        if isinstance(norm, InstanceShareNorm2d):
            share = 1 - (1 - norm.share.cpu()) * (1 - share)
        if norm.running_mean is None:
            raise ValueError("a batch norm without running statistics has none to mix")
        new = cls(norm.num_features, share, ease=ease)
        new.eps, new.momentum = norm.eps, norm.momentum
        new.to(norm.running_mean.device)
        for name in (*_TENSORS, "drop", "act"):
            part = getattr(norm, name, None)
            if part is not None:
                setattr(new, name, part)
        if norm.weight is None:
            new.weight.requires_grad_(False)
            new.bias.requires_grad_(False)
        return new.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape, dtype and layout."""
        if torch.compiler.is_compiling() and not self.is_batch_norm:
            out = self.formula_form(x)
        else:
            is_plain = (self.is_batch_norm or self.progress == 0) and not self._is_over_ranks()
            out = self._batch_norm(x) if is_plain else self._mixed(x)
        for after in (self.drop, self.act):
            out = out if after is None else after(out)
        return out

    def _is_over_ranks(self) -> bool:
        return self.training and self.is_synchronized and dist.is_initialized() and dist.get_world_size() > 1

    def _batch_norm(self, x: Tensor) -> Tensor:
        """What `nn.BatchNorm2d` does."""
        if self.training:
            self.num_batches_tracked.add_(1)
        rate = 1 / max(1, int(self.num_batches_tracked)) if self.momentum is None else self.momentum
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, rate, self.eps
        )

    def _mixed(self, x: Tensor) -> Tensor:
        if not is_for_passes(x):
            return self.formula_form(x)
        given = {} if self.training else {"mean": self.running_mean, "variance": self.running_var}
        by = ImageShare(share=self.share, **given, synchronized=self._is_over_ranks())
        out, moments = normalize(x, self.weight, self.bias, self.eps, by)
        if self.training:
            update_running(self, *moments)
        return out

    def formula_form(self, x: Tensor) -> Tensor:
        """The definition in elementary operations: what a compiler fuses, and what is exported."""
        values = x if x.dtype == torch.float64 else x.float()
        mean, variance = _image_moments(values)
        if self.training:
            batch_mean, batch_variance = self._batch_moments(x, mean, variance)
        else:
            batch_mean, batch_variance = self.running_mean, self.running_var
        share = _per_channel(self.share.to(mean.dtype))
        mean = (1 - share) * _per_channel(batch_mean) + share * mean
        # In a graph all but the image's is one constant.
        variance = (1 - share) * _per_channel(batch_variance) + self.eps + share * variance
        return _affine(values, mean, variance, self).to(x.dtype)

    def _batch_moments(self, x: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Those of all images, of all ranks where they are synchronised; running ones move."""
        pixels = x.shape[2] * x.shape[3]
        total: Any = x.shape[0] * pixels
        over_ranks = self._is_over_ranks()
        if over_ranks:
            total = mean.new_tensor([total])
            dist.all_reduce(total)
        elif total == 1:
            raise ValueError(f"a batch's statistics need more than one value a channel: {x.shape}")

        def averaged(of_images: Tensor) -> Tensor:
            sums = of_images.sum((0, 2, 3)) * pixels
            return (sum_over_ranks(sums) if over_ranks else sums) / total

        batch_mean = averaged(mean)
        batch_variance = averaged(variance + (mean - batch_mean[:, None, None]).square())
        update_running(self, batch_mean, batch_variance, total)
        return batch_mean, batch_variance

    def extra_repr(self) -> str:
        """What `print` shows of it."""
        low, high = self.whole.min().item(), self.whole.max().item()
        return f"{self.num_features}, share={low:g}" + ("" if low == high else f"..{high:g}")


def _of_halves(norm: InstanceBatchNorm2d, share: Tensor) -> InstanceShareNorm2d:
    """An IBN layer whose instance half keeps its image's statistics."""
    values = torch.ones(norm.num_features)
    values[norm.batch_channels] = share.expand(norm.num_features)[norm.batch_channels]
    new = InstanceShareNorm2d(norm.num_features, values).to(next(norm.parameters()).device)
    with torch.no_grad():
        for half, own in ((norm.IN, norm.instance_channels), (norm.BN, norm.batch_channels)):
            for name in _TENSORS if half is not None else ():
                values = getattr(half, name, None)
                if values is not None and values.dim():
                    getattr(new, name)[own] = values
    if norm.BN is not None:
        new.eps, new.momentum = norm.BN.eps, norm.BN.momentum
        new.num_batches_tracked = norm.BN.num_batches_tracked
    return new.train(norm.training)


class EasedInstanceNorm2d(InstanceNorm2d, Eased):
    """Instance norm where a network had nothing: at first it passes its input on."""

    def __init__(self, channels: int, *, ease: int = 0) -> None:
        super().__init__(channels)
        self.ease = ease
        self._hold(torch.ones((), device="cpu"))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape, dtype and layout."""
        if self.ease and torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            return torch.lerp(x, super().forward(x), self.share.to(x.dtype))
        if torch.compiler.is_exporting() and self.progress == 1:
            mean, variance = _image_moments(x)
            return _affine(x, mean, variance + self.eps, self)
        # In training its parameters take part from the start: ranks and optimisers count on it.
        if self.progress == 0 and not self.training:
            return x
        out = super().forward(x)
        return out if self.progress == 1 else torch.lerp(x, out, self.progress)


def _image_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of every channel of every image, (N, C, 1, 1) each."""
    mean = x.mean((2, 3), keepdim=True)
    apart = x - mean
    return mean, (apart * apart).mean((2, 3), keepdim=True)  # `square` is exported as a power, which is slow


def _per_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)


def _affine(x: Tensor, mean: Tensor, variance: Tensor, norm: Any) -> Tensor:
    """What a norm does with statistics, eps among them, as one product and one sum."""
    scale = variance.rsqrt() * _per_channel(norm.weight)
    return x * scale + (_per_channel(norm.bias) - mean * scale)


def first_channels(channels: int, ratio: float) -> Tensor:
    """Shares (C,): 1 for the first floor(C * ratio) channels, 0 for the others."""
    return (torch.arange(channels, device="cpu") < int(channels * ratio)).float()


def set_iteration(network: nn.Module, iteration: int) -> None:
    """Let every norm of a network that is eased in be where it is at this update."""
    for module in network.modules():
        if isinstance(module, Eased):
            module.set_iteration(iteration)
