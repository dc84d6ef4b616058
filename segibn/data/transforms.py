"""Augmentation: a pure function of (frame, seed), whoever calls it.

The window that a crop shows is drawn first; only that is read and resized, so the work is
proportional to the crop. The colours are changed last (color.py), and the padding after them.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import cv2
import numpy as np

from segibn.data.color import Degradation, adjust, blur, draw_jitter
from segibn.data.frame import Arrays, Frame, Size, resize_image, resize_target
from segibn.data.night import Night
from segibn.labels.label_set import IGNORE_INDEX

PAD_COLOR = (124, 116, 104)
"""RGB of padding: ImageNet's mean colour, so about 0 after normalisation."""


@dataclass(frozen=True)
class Window:
    """Which part of a frame a crop shows, and where in the crop it lands."""

    source: tuple[int, int, int, int]  # top, left, bottom, right in frame pixels
    size: tuple[int, int]
    """(H, W) of that part after resizing; the crop size unless the frame was too small."""
    offset: tuple[int, int]  # (top, left) of it in the crop


def _draw_span(place: float, frame: int, crop: int, scale: float, pixel: int | None) -> tuple[int, int, int, int]:
    """One axis of a window: start and stop in the frame, length and offset in the crop."""
    length = max(1, round(crop / scale))
    if length <= frame:
        first, last = 0, frame - length
        if pixel is not None:
            first, last = max(first, pixel - length + 1), min(last, pixel)
        start = first + int(place * (last - first + 1))
        return start, start + length, crop, 0
    size = min(crop, max(1, round(frame * scale)))
    return 0, frame, size, int(place * (crop - size + 1))


@dataclass(frozen=True)
class TrainTransform:
    """Random scale, crop and flip, then jitter, blur, noise and JPEG, as ``data`` in a config."""

    crop_size: tuple[int, int]
    scale_range: tuple[float, float] = (0.5, 2.0)  # uniform
    flip_probability: float = 0.5
    _: KW_ONLY
    night: Night | None = None  # comes before the jitter
    aspect_range: tuple[float, float] = (1.0, 1.0)  # of width over height, log-uniform
    color_jitter: tuple[float, float, float, float] | None = None
    """Strengths of brightness, contrast, saturation and hue."""
    color_jitter_probability: float = 0.5
    blur_sigma: tuple[float, float] | None = None  # range of the Gaussian blur's sigma in pixels
    degradation: Degradation | None = None
    extra: Callable[[np.ndarray, np.ndarray, int], Arrays] | None = None
    """Comes last, with (image, target, seed) of the finished crop."""

    def __call__(self, frame: Frame, seed: int, focus: tuple[int, int] | None = None) -> Arrays:
        """Augment one sample; the frame's pixels are not modified.

        ``focus``: row and column of a pixel that the crop must contain. -> Contiguous image and
        target of the crop size, mean colour and 255 where the scaled frame is smaller.
        """
        rng = np.random.Generator(np.random.PCG64(seed))
        window = self.window(rng, frame.size, focus)
        flip = rng.uniform() < self.flip_probability
        image, target = frame.read(window.source)
        image = resize_image(image, window.size)
        target = resize_target(target, window.size)
        if flip:
            image, target = cv2.flip(image, 1), cv2.flip(target, 1)
        if self.night is not None:
            image = self.night(image, target, rng)
        image = self._change_colors(image, rng)
        crop = self._pad(image, window, PAD_COLOR), self._pad(target, window, IGNORE_INDEX)
        return crop if self.extra is None else self.extra(*crop, int(rng.integers(2**32)))

    def window(self, rng: np.random.Generator, frame: Size, focus: tuple[int, int] | None = None) -> Window:
        """Draw a scale and a place: what scaling a frame and then cropping at random would show.

        All windows of the drawn size that contain ``focus`` are as likely.
        """
        if focus is not None and not all(0 <= f < n for f, n in zip(focus, frame, strict=True)):
            raise ValueError(f"focus {focus} lies outside a frame of {frame}")
        scale = rng.uniform(*self.scale_range)
        stretch = float(np.exp(rng.uniform(*np.log(self.aspect_range)) / 2))  # the area stays
        scales, places = (scale / stretch, scale * stretch), rng.uniform(size=2)
        spans = map(_draw_span, places, frame, self.crop_size, scales, focus or (None, None))
        (top, bottom, height, down), (left, right, width, across) = spans
        return Window((top, left, bottom, right), (height, width), (down, across))

    def _change_colors(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.color_jitter is not None and rng.uniform() < self.color_jitter_probability:
            image = adjust(image, draw_jitter(self.color_jitter, rng))
        if self.blur_sigma is not None:
            image = blur(image, rng.uniform(*self.blur_sigma))
        if self.degradation is not None:
            image = self.degradation(image, rng)
        return image

    def _pad(self, array: np.ndarray, window: Window, value: Any) -> np.ndarray:
        """Place an array in a crop filled with ``value``; whole crops pass through."""
        if window.size == self.crop_size:
            return np.ascontiguousarray(array)
        (height, width), (down, across) = window.size, window.offset
        below, right = self.crop_size[0] - height - down, self.crop_size[1] - width - across
        return cv2.copyMakeBorder(array, down, below, across, right, cv2.BORDER_CONSTANT, value=value)
