"""Evaluation, step 1: two label maps in, exact pixel counts out (NumPy only).

Everything the other modules report comes from one matrix of int64 counts,
``confusion[target, pred]``, summed over the whole set. Legend of this package: K classes,
H x W pixels of a frame.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.labels.label_set import IGNORE_INDEX

_CODES = 256  # every value of an 8-bit label map
_EXACT_PIXELS = 1 << 24  # a histogram of float32 counts no further one by one


def count_pairs(target: ArrayLike, pred: ArrayLike) -> NDArray[np.int64]:
    """Count how often each pair of pixel values occurs at the same place.

    OpenCV's two-dimensional histogram, about 2 ms for 1024 x 2048 pixels on one core. It returns
    float32, which is exact up to 2^24 pixels, so larger maps are counted in bands.

    Args:
        target: (H, W), integers in 0..255.
        pred: (H, W), integers in 0..255. Not modified.

    Returns:
        (256, 256) int64, rows target value, columns predicted value.

    Raises:
        ValueError: shapes differ, or an array holds something else than 8-bit integers.
    """
    target = _as_uint8(target, "target")
    pred = _as_uint8(pred, "pred")
    if target.shape != pred.shape:
        raise ValueError(
            f"target is {_size(target)} but pred is {_size(pred)}; resize the prediction to the "
            "target's size (nearest) or the logits before the argmax"
        )
    counts = np.zeros((_CODES, _CODES), dtype=np.int64)
    for band in _bands(target.size):
        # One row each: OpenCV takes no array of more than two dimensions for a picture.
        maps = [label_map.reshape(1, -1)[:, band] for label_map in (target, pred)]
        histogram = cv2.calcHist(maps, [0, 1], None, [_CODES, _CODES], [0, _CODES, 0, _CODES])
        counts += histogram.astype(np.int64)
    return counts


def _bands(pixels: int) -> Iterator[slice]:
    return (slice(start, start + _EXACT_PIXELS) for start in range(0, pixels, _EXACT_PIXELS))


def fold_pairs(
    pairs: NDArray[np.int64],
    num_classes: int,
    target_lookup: NDArray[np.integer],
    pred_lookup: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Rename the raw values of ``count_pairs`` and keep what enters a score.

    Args:
        pairs: (256, 256) int64, rows target value, columns predicted value.
        num_classes: K.
        target_lookup: (256,) train id of each raw target value, ``IGNORE_INDEX`` where ignored.
        pred_lookup: (256,) the same for predictions.

    Returns:
        (K, K+1) int64; ignored targets are left out, the last column counts void predictions.
    """
    target_values, pred_values = np.nonzero(pairs)
    rows = np.asarray(target_lookup)[target_values].astype(np.int64)
    columns = np.asarray(pred_lookup)[pred_values].astype(np.int64)
    columns[columns == IGNORE_INDEX] = num_classes
    valid = rows != IGNORE_INDEX
    counts = np.zeros((num_classes, num_classes + 1), dtype=np.int64)
    np.add.at(
        counts,
        (rows[valid], columns[valid]),
        pairs[target_values[valid], pred_values[valid]],
    )
    return counts


def count_classes(target: ArrayLike, pred: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Count the pixels of one frame by target and predicted class -> (K, K+1) int64, rows target.

    The last column counts pixels whose target is a class but whose prediction is ``IGNORE_INDEX``:
    false negatives, as in the Cityscapes script. Pixels with an ignored target are skipped.

    Args:
        target: (H, W) train ids in [0, K) or ``IGNORE_INDEX``.
        pred: (H, W) the same. Neither is modified.
        num_classes: K in 1..255, never counting ignore.

    Raises:
        ValueError: shapes differ, or a value lies outside the ranges above.
    """
    if not 1 <= num_classes <= IGNORE_INDEX:
        raise ValueError(f"num_classes must lie in 1..{IGNORE_INDEX}; got {num_classes}")
    pairs = count_pairs(target, pred)
    _require_known("target", pairs.sum(axis=1), num_classes)
    _require_known("pred", pairs.sum(axis=0), num_classes)
    return np.concatenate(
        [pairs[:num_classes, :num_classes], pairs[:num_classes, IGNORE_INDEX:]], axis=1
    )


def _require_known(what: str, pixels_per_value: NDArray[np.int64], num_classes: int) -> None:
    unknown = np.flatnonzero(pixels_per_value[num_classes:IGNORE_INDEX]) + num_classes
    if unknown.size:
        shown = ", ".join(
            f"{value} ({pixels_per_value[value]} px)" for value in unknown[:8].tolist()
        )
        raise ValueError(
            f"{what} holds values outside 0..{num_classes - 1} and {IGNORE_INDEX}: {shown}; map "
            "label ids to train ids first"
        )


def _as_uint8(array: ArrayLike, what: str) -> NDArray[np.uint8]:
    values = np.asarray(array)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "iu":
        raise ValueError(f"{what} must hold integers (train ids); got dtype {values.dtype}")
    if values.size and (values.min() < 0 or values.max() >= _CODES):
        raise ValueError(f"{what} holds values outside 0..255 ({values.min()}..{values.max()})")
    return values.astype(np.uint8)


def _size(array: NDArray[Any]) -> str:
    return "x".join(str(side) for side in array.shape) + " (H x W)"
