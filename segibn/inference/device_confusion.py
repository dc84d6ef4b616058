"""Counting a frame where its prediction is: label maps stay on the device, half a MiB comes back.

In: a target from disk and a prediction on a GPU. Out: the counts of ``count_classes``.
Integers all the way, so the two agree exactly.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segibn.evaluation.confusion import counts_of
from segibn.models.upsample import NOT_FINITE

_CODES = 256


def count_on_device(
    target: NDArray[np.uint8],
    pred: Tensor,
    num_classes: int,
    check_finite: Callable[[int], None] = lambda pixels: None,
) -> NDArray[np.int64]:
    """Count how often each pair of classes occurs at the same place -> (K, K+1) on the host.

    ``target``: (H, W) uint8 train ids or ``IGNORE_INDEX``, on the host; ``pred`` on any device. A
    ValueError for different shapes or other values; ``check_finite`` is the ``Predictor``'s.
    """
    if tuple(target.shape) != tuple(pred.shape):
        raise ValueError(f"target is {target.shape} but pred is {tuple(pred.shape)}")
    moved = torch.from_numpy(np.require(target, requirements=["C", "W"])).to(pred.device)
    # One bincount over the codes of all pairs of 8-bit values: int64, exact, no float anywhere.
    codes = moved.to(torch.int32).mul_(_CODES).add_(pred)
    counted = torch.bincount(codes.flatten(), minlength=_CODES * _CODES)
    pairs = counted.view(_CODES, _CODES).cpu().numpy()
    check_finite(int(pairs[:, NOT_FINITE].sum()))
    return counts_of(pairs, num_classes)
