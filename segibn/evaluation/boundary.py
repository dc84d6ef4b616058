"""Boundary IoU (Cheng et al., CVPR 2021): IoU of the pixels within d pixels of an outline."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.confusion import Counts, count_pairs
from segibn.evaluation.measure import Frame, FramePrediction, Metric
from segibn.evaluation.metrics import class_counts, mean_defined, ratio_of
from segibn.evaluation.scores import by_name, format_percent, json_number
from segibn.labels.label_set import IGNORE_INDEX

DILATION_RATIO = 0.02  # width of a boundary as a share of the frame's diagonal; the paper's value


def boundary_width(size: tuple[int, int]) -> int:
    """Return d in pixels for frames of (H, W): the rounded share of the diagonal, at least 1."""
    return max(1, round(DILATION_RATIO * math.hypot(*size)))


def boundary_mask(label_map: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Mark every pixel within ``width`` pixels of the outline of its own class -> (H, W) bool."""
    # The paper removes from each class's mask what is left after eroding it ``width`` times by 3 x 3 pixels, with
    # nothing beyond the frame: the pixels around which a square of 2 * width + 1 is inside the frame and of one class.
    # There the square's lowest and highest value agree, so that two filters serve all classes at once.
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    mask: NDArray[np.bool_] = cv2.erode(label_map, square) != cv2.dilate(label_map, square)
    mask[:width] = mask[-width:] = True
    mask[:, :width] = mask[:, -width:] = True
    return mask


class BoundaryIoU(Metric):
    """``sums`` are (3, K) pixels within outlines: in both maps, target's, prediction's.

    Ignored targets are ignored in the prediction too: a prediction that is right elsewhere gets 1.
    """

    name = "boundary"
    about = "boundary IoU of each class (Cheng et al., 2021)"

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.sums = np.zeros((3, len(class_names)), np.int64)

    def of(self, frame: Frame, prediction: FramePrediction) -> Counts:
        """Count one frame, (3, K)."""
        target = np.ascontiguousarray(frame.target, dtype=np.uint8)
        ignored = target == IGNORE_INDEX
        pred = np.where(ignored, np.uint8(IGNORE_INDEX), prediction.labels).astype(np.uint8)
        width = boundary_width(target.shape)
        edges = [
            np.where(boundary_mask(label_map, width), label_map, np.uint8(IGNORE_INDEX)) for label_map in (target, pred)
        ]
        return class_counts(count_pairs(*edges))[:3, : len(self.class_names)]

    @property
    def iou(self) -> NDArray[np.float64]:
        """(K,) fractions; NaN without a boundary in either map."""
        both, target, pred = self.sums
        return ratio_of(both, target + pred - both)

    def result(self) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers are None."""
        return {
            "boundary_miou": json_number(mean_defined(self.iou)),
            "boundary_iou": by_name(self.class_names, self.iou),
            "dilation_ratio": DILATION_RATIO,
            "counts": self.sums.tolist(),
        }

    @staticmethod
    def table(found: Mapping[str, Any]) -> str:
        """Return one line a class, and the mean; per cent."""
        rows = {**found["boundary_iou"], "mean": found["boundary_miou"]}
        head = f"boundary IoU % (within {100 * found['dilation_ratio']:g} % of the diagonal)"
        lines = [f"{name:<22} {format_percent(value):>9}" for name, value in rows.items()]
        return "\n".join([head, *lines])
