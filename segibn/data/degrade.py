"""What cameras and files do to pixels: noise and compression. See `color.py`."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Degradation:
    """Noise, then JPEG, each with a chance of its own; nothing is drawn for what is None."""

    noise_sigma: tuple[float, float] | None
    """Range of the noise's standard deviation in grey levels."""
    jpeg_quality: tuple[int, int] | None
    """Range of the JPEG quality, 1..100, both ends included."""
    probability: float
    """Chance of the noise, and, independently, of the compression."""

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Change (H, W, 3) uint8 RGB; the input stays as it is."""
        if self.noise_sigma is not None and rng.uniform() < self.probability:
            image = add_noise(image, rng.uniform(*self.noise_sigma), rng)
        if self.jpeg_quality is not None and rng.uniform() < self.probability:
            image = compress(image, int(rng.integers(*self.jpeg_quality, endpoint=True)))
        return image


def add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to (H, W, 3) uint8, independent for each pixel and channel; rounded."""
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy += image
    return np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy).astype(np.uint8)


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Write (H, W, 3) uint8 RGB as JPEG and read it again.

    ``quality``: 1 (coarse) .. 100, as libjpeg has it; colours at half the resolution, OpenCV's
    default.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
