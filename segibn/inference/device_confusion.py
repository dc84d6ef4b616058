"""Counting a frame where its prediction is: label maps stay on the device, a few KB come back.

In: a target from disk and a prediction on a GPU. Out: the counts that ``Confusion.update`` finds.
Integers all the way, so the two agree exactly.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segibn.inference.predictor import Predictor
from segibn.labels.label_set import IGNORE_INDEX
from segibn.models.upsample import NOT_FINITE

_CODES = 256


def count_on_device(target: Tensor, pred: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Count how often each pair of classes occurs at the same place.

    One ``bincount`` over the codes of all pairs of 8-bit values: int64, exact, no float anywhere.

    Args:
        target: (H, W) uint8 train ids or ``IGNORE_INDEX``.
        pred: (H, W) the same, on the same device.
        num_classes: K.

    Returns:
        (K, K+1) int64 on the device, as ``Confusion.counts``; and (2, 256) int64 on the device:
        how many pixels have each value in the target and in the prediction.
    """
    codes = target.to(torch.int32).mul_(_CODES).add_(pred)
    pairs = torch.bincount(codes.flatten(), minlength=_CODES * _CODES).view(_CODES, _CODES)
    k = num_classes
    counts = torch.cat([pairs[:k, :k], pairs[:k, IGNORE_INDEX:]], dim=1)
    return counts, torch.stack([pairs.sum(dim=1), pairs.sum(dim=0)])


class DevicePredictor(Predictor):
    """A predictor whose label maps stay on its device, for ``DeviceCounter``."""

    def __call__(self, image: NDArray[np.uint8]) -> Tensor:  # type: ignore[override]
        """Predict one frame: (H, W, 3) uint8 RGB -> (H, W) uint8 train ids on the device."""
        return self.predict_tensor([image])[0]

    def predict_batch(self, images: Sequence[NDArray]) -> list[Tensor]:  # type: ignore[override]
        """Predict frames of one size at once, as ``Predictor.predict_batch``."""
        return list(self.predict_tensor(images))


class DeviceCounter:
    """Counts frames of K classes; for ``evaluate(count=...)``.

    Args:
        num_classes: K.
        check_finite: called with the number of pixels that have no best class, see
            ``Predictor.check_finite``.
    """

    def __init__(
        self, num_classes: int, check_finite: Callable[[int], None] = lambda pixels: None
    ) -> None:
        self.num_classes = num_classes
        self._check_finite = check_finite

    def __call__(self, target: NDArray[np.uint8], pred: Tensor) -> NDArray[np.int64]:
        """Count one frame.

        Args:
            target: (H, W) uint8 train ids or ``IGNORE_INDEX``, on the host.
            pred: (H, W) uint8 the same, on any device.

        Returns:
            (K, K+1) int64 on the host.

        Raises:
            ValueError: shapes differ, or a value is neither a class nor ``IGNORE_INDEX``.
        """
        if tuple(target.shape) != tuple(pred.shape):
            raise ValueError(f"target is {target.shape} but pred is {tuple(pred.shape)}")
        moved = torch.from_numpy(np.require(target, requirements=["C", "W"])).to(pred.device)
        counts, values = count_on_device(moved, pred, self.num_classes)
        host = torch.cat([counts.flatten(), values.flatten()]).cpu().numpy()  # one small copy
        self._check_finite(int(host[-_CODES:][NOT_FINITE]))
        counts_size = counts.numel()
        for what, pixels in zip(
            ("target", "pred"), host[counts_size:].reshape(2, _CODES), strict=True
        ):
            unknown = np.flatnonzero(pixels[self.num_classes : IGNORE_INDEX]) + self.num_classes
            if unknown.size:
                raise ValueError(
                    f"{what} holds values outside 0..{self.num_classes - 1} and {IGNORE_INDEX}: "
                    f"{', '.join(map(str, unknown[:8]))}; map label ids to train ids first"
                )
        return host[:counts_size].reshape(self.num_classes, self.num_classes + 1)
