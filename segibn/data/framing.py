"""Frames of an evaluation, resized and cut together with their label maps.

Some protocols change the label map itself before scoring (RobustNet's and Rein's Mapillary
Vistas); the score is then of other pixels than the official ones, and its signature says so.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from segibn.labels.label_set import IGNORE_INDEX

Size = tuple[int, int]


@dataclass(frozen=True)
class Framing:
    """Resize, then cut or pad at the centre, as a protocol's test set says."""

    height: int | None = None  # to resize to, the width in proportion
    scale: float | None = None  # to resize by instead
    crop: Size | None = None
    """(H, W) that comes out; smaller frames are padded, the image with 0, the target with 255."""
    as_robustnet: bool = False
    """To the pixel as RobustNet's validation (transforms/joint_transforms.py, ResizeHeight and
    CenterCropPad): Pillow's bicubic resize, and a cut whose place is computed before the padding. A
    frame that is d columns too narrow then stands 1.5 d from the left, loses its last d / 2
    columns, and all that is black counts as road (train id 0). Needs ``height`` and ``crop``."""

    @property
    def name(self) -> str:
        """What a signature says: "h1536-crop1536x1536", "x0.5"; empty if nothing changes."""
        parts = [f"h{self.height}"] if self.height else []
        parts += [f"x{self.scale:g}"] if self.scale else []
        parts += ["crop{}x{}".format(*self.crop)] if self.crop else []
        parts += ["as-robustnet"] if self.as_robustnet else []
        return "-".join(parts)

    def __call__(self, image: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change image (H, W, 3) and train ids (H, W), uint8; the inputs stay as they are."""
        if self.as_robustnet and self.height is not None and self.crop is not None:
            return _as_robustnet(image, target, self.height, self.crop)
        height, width = image.shape[:2]
        if self.height is not None:
            height, width = self.height, max(1, round(width * self.height / height))
        elif self.scale is not None:
            height, width = (max(1, round(side * self.scale)) for side in (height, width))
        if (height, width) != image.shape[:2]:
            method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
            image = cv2.resize(image, (width, height), interpolation=method)
            target = cv2.resize(target, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        if self.crop is None:
            return image, target
        return _centred(image, self.crop, 0), _centred(target, self.crop, IGNORE_INDEX)


def _as_robustnet(
    image: np.ndarray, target: np.ndarray, height: int, crop: Size
) -> tuple[np.ndarray, np.ndarray]:
    size = (int(image.shape[1] / image.shape[0] * height), height)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    labels = np.asarray(Image.fromarray(target).resize(size, Image.Resampling.NEAREST))
    return _cut_before_padding(resized, crop), _cut_before_padding(labels, crop)


def _cut_before_padding(array: np.ndarray, size: Size) -> np.ndarray:
    """Zeros of ``size`` with what RobustNet's cut leaves of the array in them."""
    out = np.zeros((*size, *array.shape[2:]), array.dtype)
    source, place = [], []
    for have, wanted in zip(array.shape[:2], size, strict=True):
        # The padding goes on both sides, but the cut begins where it would without.
        start = max(0, wanted - have) - round((have - wanted) / 2)
        first, last = max(0, -start), min(have, wanted - start)
        source.append(slice(first, last))
        place.append(slice(first + start, last + start))
    out[tuple(place)] = array[tuple(source)]
    return out


def _centred(array: np.ndarray, size: Size, fill: int) -> np.ndarray:
    for axis, wanted in enumerate(size):
        have = array.shape[axis]
        if have > wanted:
            first = (have - wanted) // 2
            array = array.take(range(first, first + wanted), axis)
        elif have < wanted:
            before = (wanted - have) // 2
            widths = [(0, 0)] * array.ndim
            widths[axis] = (before, wanted - have - before)
            array = np.pad(array, widths, constant_values=fill)
    return np.ascontiguousarray(array)
