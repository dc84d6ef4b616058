"""Colour jitter, blur, noise and compression of a crop, (H, W, 3) uint8 RGB.

The jitter is torchvision's `ColorJitter`, by its formulas for float images, in float32 and rounded
once: after each step, as libraries round uint8, it would add up to several grey levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

_GREY = np.array([0.2989, 0.587, 0.114])  # of R, G, B in torchvision's `rgb_to_grayscale`
_BAND = 64  # rows that are changed at a time: in hue, what they take fits into a core's cache


def draw_jitter(strengths: Sequence[float], rng: np.random.Generator) -> list[tuple[int, float]]:
    """Draw the steps of `adjust` in random order: always eight numbers, whatever the strengths.

    Factors of brightness, contrast and saturation are uniform in [max(0, 1 - s), 1 + s], the hue's
    shift in [-s, s] turns of the colour circle, for strength s; 0 = no step.
    """
    order = np.argsort(rng.uniform(size=4))
    places = rng.uniform(-1.0, 1.0, size=4)
    amounts = [float(s * place) for s, place in zip(strengths, places, strict=True)]
    for number, strength in enumerate(strengths[:3]):
        low = max(0.0, 1.0 - strength)
        amounts[number] = float(low + (1.0 + strength - low) * (places[number] + 1.0) / 2.0)
    return [(int(n), amounts[n]) for n in order if strengths[n] > 0]


def adjust(image: np.ndarray, steps: list[tuple[int, float]]) -> np.ndarray:
    """Change a copy by steps (0 brightness, 1 contrast, 2 saturation: factor >= 0; 3 hue: turns), rounded once."""
    if not steps:
        return image
    pixels = image.astype(np.float32)
    for number, amount in steps:
        pixels = _STEPS[number](pixels, amount)
    return cv2.convertScaleAbs(pixels)


def _brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    pixels *= np.float32(factor)
    return _clip(pixels, factor)


def _contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    mean = float(_GREY @ cv2.mean(pixels)[:3])
    pixels *= np.float32(factor)
    pixels += np.float32((1.0 - factor) * mean)
    return _clip(pixels, factor)


def _saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    matrix = factor * np.eye(3) + (1.0 - factor) * _GREY
    return _clip(cv2.transform(pixels, matrix.astype(np.float32)), factor)


def _hue(pixels: np.ndarray, shift: float) -> np.ndarray:
    degrees = np.float32(360.0 * (shift % 1.0))
    for top in range(0, len(pixels), _BAND):
        band = pixels[top : top + _BAND]
        hsv = cv2.cvtColor(band, cv2.COLOR_RGB2HSV)
        hue = hsv[..., 0] + degrees
        hue -= np.float32(360.0) * (hue >= 360.0)
        hsv[..., 0] = hue
        cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=band)
    return pixels


def _clip(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Back to 0..255, which a blend with a factor of at most 1 does not leave."""
    return pixels if factor <= 1.0 else np.clip(pixels, 0.0, 255.0, out=pixels)


_STEPS = (_brightness, _contrast, _saturation, _hue)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur by a Gaussian of ``sigma`` pixels; beyond its edges the picture is mirrored."""
    radius = int(4.0 * sigma + 0.5)  # cut off as SciPy does
    if radius == 0:
        return image
    side = 2 * radius + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)


@dataclass(frozen=True)
class Degradation:
    """Noise, then JPEG, each with a chance of its own; nothing is drawn for what is None."""

    noise_sigma: tuple[float, float] | None  # range of the standard deviation in grey levels
    jpeg_quality: tuple[int, int] | None  # range, 1..100, both ends included
    probability: float  # of the noise, and, independently, of the compression

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the changed image; the input stays as it is."""
        if self.noise_sigma is not None and rng.uniform() < self.probability:
            image = add_noise(image, rng.uniform(*self.noise_sigma), rng)
        if self.jpeg_quality is not None and rng.uniform() < self.probability:
            image = compress(image, int(rng.integers(*self.jpeg_quality, endpoint=True)))
        return image


def add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise, independent for each pixel and channel; rounded."""
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy += image
    return np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy).astype(np.uint8)


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Write as JPEG, colours at half the resolution, and read again; libjpeg's quality, 1..100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
