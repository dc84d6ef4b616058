"""Boundary IoU: how well the outlines of the classes are found (NumPy and OpenCV only).

IoU of large objects hardly notices their outlines. Boundary IoU (Cheng et al., CVPR 2021) compares
only the pixels of a class that lie within d pixels of its outline, d being 2 % of the diagonal.
In: label maps of one frame after the other. Out: three counts a class, and their ratio.

Legend: K classes, H x W pixels of a frame.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.evaluation.confusion import count_pairs
from segibn.labels.label_set import IGNORE_INDEX

DILATION_RATIO = 0.02
"""Width of a boundary as a share of the frame's diagonal; the paper's value."""


def boundary_width(size: tuple[int, int], ratio: float = DILATION_RATIO) -> int:
    """Return d in pixels for frames of (H, W): the rounded share of the diagonal, at least 1."""
    return max(1, round(ratio * math.hypot(*size)))


def boundary_mask(label_map: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Mark every pixel that lies within ``width`` of the outline of its own class.

    The paper removes from each class's mask what is left after eroding it ``width`` times by 3 x 3
    pixels, with nothing beyond the frame. What is left are the pixels around which a square of
    2 * width + 1 is inside the frame and of one class: where the square's lowest and highest value
    agree. So two filters serve all classes at once.

    Args:
        label_map: (H, W) uint8.
        width: in pixels, at least 1.

    Returns:
        (H, W) bool.
    """
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    mask: NDArray[np.bool_] = cv2.erode(label_map, square) != cv2.dilate(label_map, square)
    mask[:width] = mask[-width:] = True
    mask[:, :width] = mask[:, -width:] = True
    return mask


class BoundaryCounts:
    """Boundary pixels of a set of frames, class by class; the ratio is taken once, over the set.

    Pixels with an ignored target count as ignored in the prediction too: outlines towards them are
    the same in both maps, and a prediction that is right wherever there is a truth gets 1.

    Args:
        num_classes: K.
        ratio: width of the boundary as a share of the diagonal.

    Attributes:
        counts: (3, K) int64 pixels: in both boundaries, in the target's, in the prediction's.
    """

    def __init__(self, num_classes: int, ratio: float = DILATION_RATIO) -> None:
        if not 0 < ratio < 1:
            raise ValueError(f"the width of a boundary is a share of the diagonal; got {ratio}")
        self.num_classes = num_classes
        self.ratio = ratio
        self.counts = np.zeros((3, num_classes), dtype=np.int64)

    def update(self, target: ArrayLike, pred: ArrayLike) -> None:
        """Add one frame; arguments as ``counts_of``."""
        self.counts += self.counts_of(target, pred)

    def counts_of(self, target: ArrayLike, pred: ArrayLike) -> NDArray[np.int64]:
        """Count one frame without adding it.

        Args:
            target: (H, W) train ids or ``IGNORE_INDEX``.
            pred: (H, W) the same. Neither is modified.

        Returns:
            (3, K) int64, rows as in ``counts``.
        """
        target = np.ascontiguousarray(target, dtype=np.uint8)
        pred = np.where(target == IGNORE_INDEX, np.uint8(IGNORE_INDEX), pred).astype(np.uint8)
        width = boundary_width(target.shape, self.ratio)
        edges = [
            np.where(boundary_mask(label_map, width), label_map, np.uint8(IGNORE_INDEX))
            for label_map in (target, pred)
        ]
        k = self.num_classes
        pairs = count_pairs(*edges)
        rows = (np.diagonal(pairs), pairs.sum(axis=1), pairs.sum(axis=0))
        return np.stack([row[:k] for row in rows])

    def reduce(self, sum_over_ranks: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        """Replace the counts by their sum over all ranks; every rank must call it."""
        self.counts = np.asarray(sum_over_ranks(self.counts))

    @property
    def iou(self) -> NDArray[np.float64]:
        """Boundary IoU of each class, (K,) fractions; NaN without a boundary in either map."""
        both, target, pred = self.counts
        union = target + pred - both
        iou = np.full(self.num_classes, np.nan)
        np.divide(both, union, out=iou, where=union > 0)
        return iou

    def to_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers become None."""
        found = {
            name: None if math.isnan(value) else float(value)
            for name, value in zip(class_names, self.iou, strict=True)
        }
        defined = [value for value in found.values() if value is not None]
        return {
            "boundary_miou": float(np.mean(defined)) if defined else None,
            "boundary_iou": found,
            "dilation_ratio": self.ratio,
            "counts": self.counts.tolist(),
        }
