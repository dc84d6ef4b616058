"""Data room: what cameras and files do to pixels, noise and compression. NumPy and OpenCV only.

Pure functions of the pixels and a random generator, like those of `color.py`.
"""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Degradation:
    """Noise, then JPEG, each with a chance of its own.

    Attributes:
        noise_sigma: range of the noise's standard deviation in grey levels; None = no noise.
        jpeg_quality: range of the JPEG quality, 1..100, both ends included; None = no compression.
        probability: chance of the noise, and, independently, of the compression.
    """

    noise_sigma: tuple[float, float] | None
    jpeg_quality: tuple[int, int] | None
    probability: float

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Change (H, W, 3) uint8 RGB; the input stays as it is.

        Args:
            image: not modified.
            rng: nothing is drawn for what is None.
        """
        if self.noise_sigma is not None and rng.uniform() < self.probability:
            image = add_noise(image, rng.uniform(*self.noise_sigma), rng)
        if self.jpeg_quality is not None and rng.uniform() < self.probability:
            image = compress(image, int(rng.integers(*self.jpeg_quality, endpoint=True)))
        return image


def add_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise, independent for each pixel and channel.

    Args:
        image: (H, W, 3) uint8, not modified.
        sigma: standard deviation in grey levels.
        rng: as many normal numbers are drawn as there are values.

    Returns:
        (H, W, 3) uint8, rounded and clipped.
    """
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy += image
    return np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy).astype(np.uint8)


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """Write as JPEG and read again.

    Args:
        image: (H, W, 3) uint8 RGB, not modified.
        quality: 1 (coarse) .. 100, as libjpeg has it; colours at half the resolution, OpenCV's
            default.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
