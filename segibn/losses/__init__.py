"""Losses, in nats or as a share: logits (N, K, H, W) and targets (N, H, W) in, scalars out.

Targets are train ids 0..K-1 or 255 (ignored: no cost, no gradient) of any integer type. Where no
pixel counts a loss is 0 with zero gradient. All compute in float32 (float64 for float64 logits)
whatever autocast says, have shapes that do not depend on the data, and never wait for the device.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")


def in_float32(loss: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Let a loss see its logits (first argument) in float32 and no autocast; float64 stays."""

    # Sums over a million pixels in bfloat16 lose small terms.
    @wraps(loss)
    def with_float32_logits(logits: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.autocast(logits.device.type, enabled=False):
            return loss(logits.to(torch.promote_types(logits.dtype, torch.float32)), *args, **kwargs)

    return with_float32_logits
