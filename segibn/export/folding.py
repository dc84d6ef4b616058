"""Channels of a mixed norm that batch norm normalises become part of the convolution before it."""

import copy

import torch
from torch import Tensor, nn

from segibn.models.norm_places import norms_after_convolutions
from segibn.models.share_norm import InstanceShareNorm2d


class FoldedNorm2d(nn.Module):
    """What is left of a norm: the first channels' share of the image; the others pass."""

    def __init__(self, norm: InstanceShareNorm2d, count: int) -> None:
        super().__init__()
        self.count = count
        self.norm = InstanceShareNorm2d(count, norm.share[:count])
        self.norm.eps = norm.eps
        with torch.no_grad():
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(self.norm, name).copy_(getattr(norm, name)[:count])
        self.drop, self.act = norm.drop, norm.act

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        out = torch.cat([self.norm(x[:, : self.count]), x[:, self.count :]], dim=1)
        for after in (self.drop, self.act):
            out = out if after is None else after(out)
        return out


def fold_batch_channels(network: nn.Module) -> nn.Module:
    """Copy a network for inference, without what a convolution can do of IBN by surgery.

    Norms are folded whose last channels have no share of the image and that follow a convolution;
    the function stays. Where there are none, the network itself is returned.
    """
    mixed = [
        name
        for name, module in network.named_modules()
        if isinstance(module, InstanceShareNorm2d) and 0 < _leading(module) < module.num_features
    ]
    if not mixed:
        return network
    folded = copy.deepcopy(network).eval()
    for convolution, name in norms_after_convolutions(folded, InstanceShareNorm2d):
        if name in mixed:
            _fold(folded, convolution, name)
    return folded


def _leading(norm: InstanceShareNorm2d) -> int:
    """How many channels there are up to the last one that has a share of the image."""
    places = norm.share.nonzero()
    return int(places.max()) + 1 if len(places) else 0


@torch.no_grad()
def _fold(network: nn.Module, convolution: str, name: str) -> None:
    conv, norm = network.get_submodule(convolution), network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, InstanceShareNorm2d)
    count = _leading(norm)
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    scale[:count], shift[:count] = 1, 0
    conv.weight.mul_(scale.view(-1, 1, 1, 1))
    bias = torch.zeros_like(shift) if conv.bias is None else conv.bias
    conv.bias = nn.Parameter(bias * scale + shift)
    network.set_submodule(name, FoldedNorm2d(norm, count).eval())
