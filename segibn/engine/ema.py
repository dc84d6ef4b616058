"""Exponential moving average of a network's weights (Polyak averaging with a short memory).

``torch.optim.swa_utils.AveragedModel`` keeps its count of updates in a tensor: a decay that
depends on it would wait for the device at every update. Its averaging function is used here.
"""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """A copy, in evaluation mode, whose parameters and running statistics follow the trained ones.

    Update n, from 0, keeps ``min(decay, (1 + n) / (10 + n))`` of the average, so that the start is
    forgotten soon (as TensorFlow's ``ExponentialMovingAverage``). Integer buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the weights of `model`: after each optimiser step, on every rank."""
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        averages, currents = map(list, zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True))
        get_ema_multi_avg_fn(kept)(averages, currents, self.updates)
        for average, current in pairs:
            if not average.is_floating_point():
                average.copy_(current)
        self.updates += 1


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*(parameter.detach() for parameter in model.parameters()), *model.buffers()]
