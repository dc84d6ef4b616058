"""EFDMix: each sample gets value distributions between its own and another's (arXiv 2203.07740)."""

import torch
from torch import Tensor

from segibn.models.perturb.mixstyle import MixStyle


def mix_sorted_values(feature: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """EFDMix with the gradient of the paper and its official script; arguments as `mix_statistics`.

    A pixel's gradient goes on to itself whole (straight through), and (1 - lambda) of it to the
    partner's value that came to it.
    """
    values, order = feature.flatten(2).sort(dim=-1, stable=True)
    # Scattering undoes the sort; the official script sorts `order` for that, which takes as long
    # as the sort of the values.
    matched = torch.zeros_like(values).scatter(-1, order, values[partner]).view(feature.shape)
    mixed = feature + (matched - feature.detach()) * (1 - share)
    is_last = feature.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    return mixed.to(feature.dtype).contiguous(memory_format=layout)


class EFDMix(MixStyle):
    """Mix every channel's k-th smallest value with that of another sample, for all k.

    Lambda times its own plus 1 - lambda times the partner's; equal values rank in raster order.
    """

    mix = staticmethod(mix_sorted_values)
