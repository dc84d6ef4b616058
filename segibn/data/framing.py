"""Frames of an evaluation, resized and cut together with their label maps, as some protocols do."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from segibn.data.frame import Size
from segibn.labels.label_set import IGNORE_INDEX


@dataclass(frozen=True)
class Framing:
    """Resize, then cut or pad at the centre, as a protocol's test set says."""

    height: int | None = None  # to resize to, the width in proportion
    scale: float | None = None
    """To resize by instead, as Rein's tools/convert_datasets/mapillary_resize.py: Pillow's bicubic
    resize, sides rounded down; nothing is cut then."""
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
        if self.as_robustnet:
            image, target = self._scaled(
                image, target, (int(image.shape[1] / image.shape[0] * self.height), self.height)
            )
            # The padding goes on both sides, but the cut begins where it would without.
            starts = [max(0, pixels) + round(pixels / 2) for pixels in np.subtract(self.crop, target.shape).tolist()]
            return _cut(image, starts, self.crop, 0), _cut(target, starts, self.crop, 0)
        height, width = image.shape[:2]
        if self.scale is not None:
            return self._scaled(image, target, (int(width * self.scale), int(height * self.scale)))
        if self.height is not None:
            height, width = self.height, max(1, round(width * self.height / height))
        if (height, width) != image.shape[:2]:
            method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
            image = cv2.resize(image, (width, height), interpolation=method)
            target = cv2.resize(target, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        if self.crop is None:
            return image, target
        starts = [int(missing / 2) for missing in np.subtract(self.crop, target.shape)]
        return _cut(image, starts, self.crop, 0), _cut(target, starts, self.crop, IGNORE_INDEX)

    @staticmethod
    def _scaled(image: np.ndarray, target: np.ndarray, size: Size) -> tuple[np.ndarray, np.ndarray]:
        """To a size (W, H) by Pillow."""
        scaled = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
        return np.asarray(scaled), np.asarray(Image.fromarray(target).resize(size, Image.Resampling.NEAREST))


def _cut(array: np.ndarray, starts: Sequence[int], size: Size, fill: int) -> np.ndarray:
    """What falls into ``size`` of an array that begins at ``starts``, maybe below 0."""
    shift = np.array([[1, 0, starts[1]], [0, 1, starts[0]]], np.float64)
    return cv2.warpAffine(array, shift, (size[1], size[0]), flags=cv2.INTER_NEAREST, borderValue=fill)
