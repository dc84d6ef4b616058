"""Colours that tell classes apart, for eyes that see fewer of them too."""

from collections.abc import Sequence

import cv2
import numpy as np

_LEVELS = (20, 75, 130, 190, 255)
# What covers much of a street is muted and keeps Cityscapes' hue; all others are chosen against it.
_MUTED = {
    "road": (94, 74, 98), "sidewalk": (176, 148, 176), "building": (110, 106, 100), "vegetation": (86, 110, 62),
    "terrain": (150, 178, 122), "sky": (150, 190, 220), "background": (0, 0, 0),
}  # fmt: skip
_FIRST = ("person", "car", "truck", "bus", "motorcycle", "bicycle", "rider", "train", "traffic light", "traffic sign")
_DARKEST = 35  # CIE L of a colour that is chosen
# Linear RGB as red- and green-blind eyes see it, whole severity (Machado et al., TVCG 2009, table 1).
_BLIND = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
)


def distinct_palette(class_names: Sequence[str]) -> np.ndarray:
    """Return (K, 3) uint8 RGB: muted for the ground, buildings and sky, as unlike as can be for the rest.

    Two colours are as far apart as the eye that tells them least sees them: normal, red-blind or
    green-blind. Always the same for the same names.
    """
    axis = np.array(_LEVELS, np.uint8)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    grid = grid[seen_lab(grid)[0, :, 0] > _DARKEST]
    seen = seen_lab(grid)
    palette = np.array([_MUTED.get(name, (0, 0, 0)) for name in class_names], np.uint8)
    taken = seen_lab(np.array([(0, 0, 0), (255, 255, 255), *palette.tolist()], np.uint8))
    nearest = np.min([_distance(seen, taken[:, n : n + 1]) for n in range(taken.shape[1])], axis=0)
    order = {name: place for place, name in enumerate(_FIRST)}  # while there is most to choose from
    free = [place for place, name in enumerate(class_names) if name not in _MUTED]
    for place in sorted(free, key=lambda place: order.get(class_names[place], len(order))):
        chosen = int(nearest.argmax())
        palette[place] = grid[chosen]
        nearest = np.minimum(nearest, _distance(seen, seen[:, chosen : chosen + 1]))
    return palette


def seen_lab(colors: np.ndarray) -> np.ndarray:
    """(n, 3) uint8 RGB -> (3, n, 3) CIE Lab as normal, red-blind and green-blind eyes see them."""
    scaled = colors.astype(np.float64) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    seen = np.stack([linear @ matrix.T for matrix in _BLIND]).clip(0, 1)
    shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(cv2.cvtColor(shown.astype(np.float32), cv2.COLOR_RGB2LAB))


def _distance(seen: np.ndarray, one: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(seen - one, axis=2).min(axis=0))
