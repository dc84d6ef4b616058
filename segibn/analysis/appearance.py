"""Appearance changes: the same scene in another style, as in IBN-Net's table 1.

The paper's own change the network's input, where nothing is cut off at 255; corruptions of driving
change the frame's 8-bit pixels. All depend on the frame's name and a seed alone: not on the order
of frames, nor on how many processes share them.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from segibn.analysis.weather import Image, fog, night, rain
from segibn.data.color import compress
from segibn.evaluation.appearance import ORIGINAL
from segibn.models.segmenter import Segmenter

Corruption = Callable[[Image, int, np.random.Generator], Image]

LEVELS = (1, 2, 3, 4, 5)

BLUR_LENGTHS = (0.006, 0.01, 0.016, 0.024, 0.034)  # of the motion, in widths of the frame
NOISE_SIGMAS = (6.0, 11.0, 18.0, 28.0, 42.0)  # of a mid-grey pixel, in grey levels
JPEG_QUALITIES = (60, 40, 25, 15, 8)


@dataclass(frozen=True)
class InputShift:
    """A change of the normalised input; nothing is clipped."""

    # The paper does not say so. But it reports that IBN-b loses exactly nothing when the spread is
    # multiplied by 1.5: that holds for a factor on the normalised input, whose zero padding scales
    # along, and neither for 8-bit pixels that saturate nor for a factor about a frame's own mean.
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # added to R, G, B, scale 0..255
    factor: float = 1.0  # on the difference to the normalising mean

    @contextmanager
    def on(self, segmenter: Segmenter) -> Iterator[None]:
        """Change a network's input for the length of the block."""
        mean, std = segmenter.pixel_mean.clone(), segmenter.pixel_std.clone()
        offset = torch.tensor(self.offset, dtype=mean.dtype, device=mean.device)
        try:
            segmenter.pixel_mean.sub_(offset.view_as(mean))
            segmenter.pixel_std.div_(self.factor)
            yield
        finally:
            segmenter.pixel_mean.copy_(mean)
            segmenter.pixel_std.copy_(std)

    def picture(self, image: Image, mean: NDArray[np.floating]) -> Image:
        """Show the change on (H, W, 3) uint8 RGB, clipped; ``mean``: (3,), scale 0..255."""
        changed = (image + np.array(self.offset) - mean) * self.factor + mean
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def motion_blur(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Move the camera during the exposure, mostly sideways, as in a turn."""
    length = max(1.0, BLUR_LENGTHS[level - 1] * image.shape[1])
    angle = np.deg2rad(rng.uniform(-20, 20))
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for along in np.linspace(-length / 2, length / 2, 8 * half + 1):
        x, y = half + along * np.cos(angle), half + along * np.sin(angle)
        column, row = int(x), int(y)
        right, below = x - column, y - row
        kernel[row : row + 2, column : column + 2] += [
            [(1 - below) * (1 - right), (1 - below) * right],
            [below * (1 - right), below * right],
        ]
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def noise(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Sensor noise: its variance half constant, half in proportion to the light."""
    pixels = image.astype(np.float32)
    sigma = NOISE_SIGMAS[level - 1] * np.sqrt(0.5 + pixels / 255)
    pixels += sigma * rng.standard_normal(pixels.shape, dtype=np.float32)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def jpeg(image: Image, level: int, _rng: np.random.Generator) -> Image:
    """Compress and decode again."""
    return compress(image, JPEG_QUALITIES[level - 1])


PAPER: dict[str, InputShift] = {
    "RGB+50": InputShift(offset=(50.0, 50.0, 50.0)),
    "R+50": InputShift(offset=(50.0, 0.0, 0.0)),
    "contrast-x1.5": InputShift(factor=1.5),
}
"""Table 1 of the paper, without the one that needs a style-transfer network."""
DRIVING: dict[str, Corruption] = {"fog": fog, "night": night, "rain": rain}
DRIVING |= {"motion-blur": motion_blur, "noise": noise, "jpeg": jpeg}

TRANSFORMS = (ORIGINAL, *PAPER, *DRIVING)  # names, in the order of tables


def corrupt(name: str, frame: str, image: Image, *, level: int = 3, seed: int = 0) -> Image:
    """Change (H, W, 3) uint8 RGB by a key of ``DRIVING``, from level 1 (light) to 5 (heavy).

    The same name, frame's name and seed give the same pixels everywhere.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level}: there are {LEVELS[0]} to {LEVELS[-1]}")
    digest = hashlib.sha256(f"{seed}/{name}/{frame}".encode(errors="backslashreplace")).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "little"))
    return DRIVING[name](image, level, rng)
