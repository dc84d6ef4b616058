"""A crop by day becomes one by night: little light, own headlights, lamps, and a sky that gives none.

The sky is known from the label map. Darker pixels alone do not make a night: a network that saw only
bright skies takes a black one for trees.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from segibn.labels.label_set import IGNORE_INDEX

_GAMMA = 2.2  # of pictures: linear light is (value / 255) ** 2.2
_LINEAR = (np.arange(256, dtype=np.float32) / 255) ** _GAMMA
_GREY = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709's luminance
# Of a sky by night, as a share of white, and of its noise (standard deviation). Frames of BDD100K by night, seen at a
# height of 256, have medians of 2 to 21 of 255 in their upper rows, and 0.4 to 2 of noise.
_SKY = (0.01, 0.12)
_NOISE = 0.01
_LAMPS = ((1.0, 0.75, 0.4), (1.0, 0.95, 0.85), (1.0, 0.1, 0.05), (0.2, 1.0, 0.5))  # sodium, white, tail, green


@dataclass(frozen=True)
class Night:
    """Changes a share of the samples; every amount is drawn anew for each."""

    probability: float
    sky: int  # train id of the class

    def __call__(self, image: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the changed image (H, W, 3) uint8 RGB, or the image itself where the chance says so."""
        if rng.uniform() >= self.probability:
            return image
        height, width = target.shape
        light = _LINEAR[image]
        light += rng.uniform(0.2, 0.7) * ((light @ _GREY)[..., None] - light)  # few colours in little light
        ambient = float(np.exp(rng.uniform(np.log(0.01), np.log(0.3))))
        tint = np.array([0.75, 0.9, 1.2] if rng.uniform() < 0.5 else [1.25, 0.95, 0.6], np.float32)
        reach = rng.uniform(0.0, 0.6) * _headlights(height, width, rng)
        sky = cv2.GaussianBlur(_with_edges(target, self.sky), (3, 3), 0)[..., None]
        light *= ambient * tint + (1 - sky) * reach[..., None]
        light *= ambient ** -rng.uniform(0.1, 0.6)  # exposure makes up for a part
        # What the picture keeps of the sky is the glow of a town, strongest at the horizon.
        rows = np.linspace(0.5, 1.0, height, dtype=np.float32)[:, None, None]
        light += sky * (np.exp(rng.uniform(*np.log(_SKY))) ** _GAMMA * tint * rows - light)
        _add_lamps(light, rng)
        np.power(np.clip(light, 0, 1, out=light), 1 / _GAMMA, out=light)
        light += np.float32(rng.uniform(0.0, _NOISE)) * rng.standard_normal(light.shape, dtype=np.float32)
        np.clip(light, 0, 1, out=light)
        return cv2.convertScaleAbs(light, alpha=255)


def _with_edges(target: np.ndarray, sky: int) -> np.ndarray:
    """(H, W) float32, 1 in the sky and on what no label says beside it, which are its blurred edges."""
    is_sky = (target == sky).view(np.uint8)
    beside = cv2.dilate(is_sky, np.ones((9, 9), np.uint8)) & (target == IGNORE_INDEX)
    return np.asarray(is_sky | beside, np.float32)


def _headlights(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 in 0..1: a cone of light that is widest and brightest near the bottom."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None] - np.float32(rng.uniform(-0.4, 0.4))
    return np.exp(-((across / 0.8) ** 2)) * down**2


def _add_lamps(light: np.ndarray, rng: np.random.Generator) -> None:
    """Add up to a dozen lamps with their halos, in place."""
    height, width = light.shape[:2]
    for _ in range(int(rng.integers(0, 13))):
        radius = float(np.exp(rng.uniform(np.log(0.004), np.log(0.03)))) * height
        halo = int(4 * radius) + 1
        row, column = int(rng.integers(0, max(1, int(0.7 * height)))), int(rng.integers(0, width))
        top, left = max(0, row - halo), max(0, column - halo)
        part = light[top : row + halo + 1, left : column + halo + 1]
        rows, columns = np.ogrid[top - row : top - row + part.shape[0], left - column : left - column + part.shape[1]]
        distance = (rows**2 + columns**2).astype(np.float32) / np.float32(radius**2)
        spot = 1.5 * np.exp(-2 * distance) + 0.15 * np.exp(-distance / 4)
        part += spot[..., None] * np.array(_LAMPS[int(rng.integers(len(_LAMPS)))], np.float32)
