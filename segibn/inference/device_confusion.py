"""Counting a frame where its prediction is: label maps stay on the device, a few KB come back.

In: a target from disk and a prediction on a GPU. Out: the counts of ``count_classes``.
Integers all the way, so the two agree exactly.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segibn.labels.label_set import IGNORE_INDEX
from segibn.models.upsample import NOT_FINITE

_CODES = 256


def count_on_device(
    target: NDArray[np.uint8],
    pred: Tensor,
    num_classes: int,
    check_finite: Callable[[int], None] = lambda pixels: None,
) -> NDArray[np.int64]:
    """Count how often each pair of classes occurs at the same place -> (K, K+1) on the host.

    Args:
        target: (H, W) uint8 train ids or ``IGNORE_INDEX``, on the host; ``pred`` on any device.
        check_finite: of the ``Predictor``.

    ValueError: shapes differ, or a value is neither a class nor ``IGNORE_INDEX``.
    """
    if tuple(target.shape) != tuple(pred.shape):
        raise ValueError(f"target is {target.shape} but pred is {tuple(pred.shape)}")
    moved = torch.from_numpy(np.require(target, requirements=["C", "W"])).to(pred.device)
    # One bincount over the codes of all pairs of 8-bit values: int64, exact, no float anywhere.
    codes = moved.to(torch.int32).mul_(_CODES).add_(pred)
    pairs = torch.bincount(codes.flatten(), minlength=_CODES * _CODES).view(_CODES, _CODES)
    k = num_classes
    counts = torch.cat([pairs[:k, :k], pairs[:k, IGNORE_INDEX:]], dim=1)
    values = torch.cat([pairs.sum(dim=1), pairs.sum(dim=0)])
    host = torch.cat([counts.flatten(), values]).cpu().numpy()  # one small copy
    check_finite(int(host[-_CODES:][NOT_FINITE]))
    named = zip(("target", "pred"), host[counts.numel() :].reshape(2, _CODES), strict=True)
    for what, pixels in named:
        unknown = np.flatnonzero(pixels[k:IGNORE_INDEX]) + k
        if unknown.size:
            raise ValueError(
                f"{what} holds values outside 0..{k - 1} and {IGNORE_INDEX}: "
                f"{', '.join(map(str, unknown[:8]))}; map label ids to train ids first"
            )
    return host[: counts.numel()].reshape(k, k + 1)
