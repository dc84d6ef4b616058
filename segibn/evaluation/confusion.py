"""Evaluation, step 1: two label maps in, exact pixel counts out (K classes, H x W pixels)."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.labels.label_set import IGNORE_INDEX

Counts = NDArray[np.int64]
Lookup = NDArray[np.integer]  # (256,) train id of each value, ``IGNORE_INDEX`` where ignored, -1 where unknown
_CODES = 256  # every value of an 8-bit label map
_EXACT_PIXELS = 1 << 24  # a histogram of float32 counts no further one by one


def count_pairs(target: ArrayLike, pred: ArrayLike) -> Counts:
    """Count pairs of values: two (H, W) of integers in 0..255 -> (256, 256), rows target value."""
    maps = [_as_uint8(target, "target"), _as_uint8(pred, "pred")]
    if maps[0].shape != maps[1].shape:
        raise ValueError(
            f"target is {size_text(maps[0])} but pred is {size_text(maps[1])}; resize the "
            "prediction to the target's size (nearest) or the logits before the argmax"
        )
    counts = np.zeros((_CODES, _CODES), dtype=np.int64)
    # OpenCV's two-dimensional histogram takes about 2 ms for 1024 x 2048 pixels on one core. It
    # returns float32, so larger maps are counted in bands.
    for start in range(0, maps[0].size, _EXACT_PIXELS):
        # One row each: OpenCV takes no array of more than two dimensions for a picture.
        bands = [label_map.reshape(1, -1)[:, start : start + _EXACT_PIXELS] for label_map in maps]
        histogram = cv2.calcHist(bands, [0, 1], None, [_CODES, _CODES], [0, _CODES, 0, _CODES])
        counts += histogram.astype(np.int64)
    return counts


def fold_pairs(pairs: Counts, num_classes: int, target: Lookup, pred: Lookup) -> Counts:
    """Rename the raw values of ``count_pairs`` by (256,) lookups -> (K, K+1) as `count_classes`."""
    target_values, pred_values = np.nonzero(pairs)
    rows = np.asarray(target)[target_values].astype(np.int64)
    columns = np.asarray(pred)[pred_values].astype(np.int64)
    columns[columns == IGNORE_INDEX] = num_classes
    valid = rows != IGNORE_INDEX
    counts = np.zeros((num_classes, num_classes + 1), dtype=np.int64)
    places = (rows[valid], columns[valid])
    np.add.at(counts, places, pairs[target_values[valid], pred_values[valid]])
    return counts


def count_classes(target: ArrayLike, pred: ArrayLike, num_classes: int) -> Counts:
    """Count the pixels of one frame by target and predicted class -> (K, K+1), rows target.

    Maps: (H, W) train ids in [0, K) or ``IGNORE_INDEX``, else a ValueError. The last column counts
    ignored predictions of a target class: false negatives, as in the Cityscapes script.
    """
    if not 1 <= num_classes <= IGNORE_INDEX:
        raise ValueError(f"num_classes must lie in 1..{IGNORE_INDEX}; got {num_classes}")
    return counts_of(count_pairs(target, pred), num_classes)


def counts_of(pairs: Counts, num_classes: int) -> Counts:
    """Cut the (256, 256) counts of all pairs of train ids to (K, K+1), see ``count_classes``."""
    k = num_classes
    for what, pixels in (("target", pairs.sum(axis=1)), ("pred", pairs.sum(axis=0))):
        unknown = np.flatnonzero(pixels[k:IGNORE_INDEX]) + k
        if unknown.size:
            shown = ", ".join(f"{value} ({pixels[value]} px)" for value in unknown[:8].tolist())
            raise ValueError(
                f"{what} holds values outside 0..{k - 1} and {IGNORE_INDEX}: {shown}; map label ids to train ids first"
            )
    return np.concatenate([pairs[:k, :k], pairs[:k, IGNORE_INDEX:]], axis=1)


def _as_uint8(array: ArrayLike, what: str) -> NDArray[np.uint8]:
    values = np.asarray(array)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "iu":
        raise ValueError(f"{what} must hold integers (train ids); got dtype {values.dtype}")
    if values.size and (values.min() < 0 or values.max() >= _CODES):
        raise ValueError(f"{what} holds values outside 0..255 ({values.min()}..{values.max()})")
    return values.astype(np.uint8)


def size_text(array: NDArray[Any]) -> str:
    """Return a shape as "1024x2048 (H x W)"."""
    return "x".join(str(side) for side in array.shape) + " (H x W)"
