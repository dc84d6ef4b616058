"""From world metres to canvas pixels.

World axes: x to the right, y up from the ground, z forward from the camera; metres.
Canvas axes: u to the right, v down; pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

NEAR = 0.9  # metres; what is closer than this is clipped away


@dataclass(frozen=True)
class Camera:
    """A pinhole over a flat ground, tilted slightly; the tilt is folded into the horizon row.

    Attributes:
        size: canvas (H, W) in pixels.
        focal: focal length in canvas pixels.
        height: of the lens above the ground, in metres.
        horizon: canvas row of the horizon at the image centre.
        roll: rows by which the horizon falls per column to the right.
    """

    size: tuple[int, int]
    focal: float
    height: float
    horizon: float
    roll: float = 0.0

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in metres, z from ``NEAR`` on -> (..., 2) float64 canvas u, v."""
        scale = self.focal / np.maximum(points[..., 2], NEAR)
        u = points[..., 0] * scale
        screen = np.empty((*points.shape[:-1], 2))
        screen[..., 0] = u + self.size[1] / 2
        screen[..., 1] = self.horizon + (self.height - points[..., 1]) * scale + self.roll * u
        return screen

    def pixels_per_metre(self, z: float) -> float:
        """Size on the canvas of one metre at distance ``z`` (metres), in pixels."""
        return self.focal / max(z, NEAR)

    @cached_property
    def ground(self) -> tuple[int, np.ndarray, np.ndarray]:
        """The ground seen by each pixel from the highest row that shows some of it.

        Returns:
            first row, an even number; world x and z, both (rows, W) float32 metres, z inf in the
            sky.
        """
        rows, columns = self.size
        across = np.arange(columns, dtype=np.float32) + 0.5 - columns / 2
        first = int(max(self.horizon - abs(self.roll) * columns / 2, 0)) // 2 * 2
        down = np.arange(first, rows, dtype=np.float32)[:, None] + 0.5
        depth = down - self.horizon - self.roll * across[None, :]
        z = np.where(depth > 0.25, self.focal * self.height / np.maximum(depth, 0.25), np.inf)
        z = z.astype(np.float32)
        x = across[None, :] / self.focal * np.where(np.isfinite(z), z, 0)
        return first, x.astype(np.float32), z


def clip_near(polygon: np.ndarray) -> np.ndarray:
    """Cut a polygon (n, 3) at the near plane -> (m, 3) float64 corners with z >= ``NEAR``."""
    if polygon[:, 2].min() >= NEAR:
        return polygon
    kept: list[np.ndarray] = []
    for current, following in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        inside, next_inside = current[2] >= NEAR, following[2] >= NEAR
        if inside:
            kept.append(current)
        if inside != next_inside:
            share = (NEAR - current[2]) / (following[2] - current[2])
            kept.append(current + share * (following - current))
    return np.array(kept).reshape(-1, 3)
