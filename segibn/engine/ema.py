"""Exponential moving average of a network's weights (Polyak averaging with a short memory).

Comes in: the network after each update. Goes out: a network of its own with the averaged weights,
to be scored and saved, and a state that a resumed training goes on from to the same bits.

``torch.optim.swa_utils.AveragedModel`` keeps its count of updates in a tensor: a decay that
depends on it would wait for the device at every update. Its averaging function is used here.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """A copy of a network whose parameters and running statistics follow the trained ones.

    Update n, counted from 0, keeps ``min(decay, (1 + n) / (10 + n))`` of the average, so that the
    weights of the start are forgotten soon (as TensorFlow's ``ExponentialMovingAverage``).

    Running means and variances are averaged like parameters: they belong to the weights that they
    were seen with, and their average lags as far behind as that of the weights. Counters (integer
    buffers) are copied.

    Args:
        model: the bare network (not wrapped by DistributedDataParallel), already on its device and
            with its first weights. Not changed, and no memory is shared with it.
        decay: share of the old average that an update keeps in the long run, 0..1.

    Attributes:
        model: the averaged network, in evaluation mode and without gradients.
        updates: how many there were.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of `model`; call it after each optimiser step.

        Runs on every rank: ranks hold the same weights, so they keep the same average. The device
        is not waited for.
        """
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        averages, currents = map(list, zip(*floats, strict=True))
        get_ema_multi_avg_fn(kept)(averages, currents, self.updates)
        for average, current in pairs:
            if not average.is_floating_point():
                average.copy_(current)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged network's state dict ("model") and the count of "updates".

        The tensors are those of the average, not copies: save them before the next update.
        """
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; what follows equals the run that wrote it, bit for bit."""
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*(parameter.detach() for parameter in model.parameters()), *model.buffers()]
