"""Losses compute in float32: sums over a million pixels in bfloat16 lose small terms."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")


def in_float32(
    loss: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Let a loss see its logits (first argument) in float32 and no autocast; float64 stays."""

    @wraps(loss)
    def with_float32_logits(logits: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if logits.dtype != torch.float64:
            logits = logits.float()
        with torch.autocast(logits.device.type, enabled=False):
            return loss(logits, *args, **kwargs)

    return with_float32_logits
