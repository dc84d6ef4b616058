"""Words in a picture of a label map: a legend of the classes that are there, names on large regions."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw
from PIL.ImageFont import load_default

_LEAST_SHARE = 0.001  # of the frame, for a line in the legend
_MOST_LINES = 12
_LARGE = 0.015  # of the frame, for a region with its name on it
_PAPER, _INK, _EDGE = (20, 22, 26, 190), (245, 246, 248), (15, 16, 20)


def with_legend_inside(
    picture: np.ndarray, train_ids: np.ndarray, class_names: Sequence[str], palette: np.ndarray
) -> np.ndarray:
    """Draw the classes that are there in the lower left corner, the largest first; black ones not."""
    counts = np.bincount(train_ids.ravel(), minlength=256)[: len(class_names)]
    present = [n for n in np.argsort(-counts, kind="stable") if counts[n] >= max(1, _LEAST_SHARE * train_ids.size)]
    shown = [int(n) for n in present if palette[n].any()][:_MOST_LINES]
    if not shown:
        return picture
    size = max(11, picture.shape[0] // 42)
    font, line, gap = load_default(size), round(1.4 * size), size // 2
    width = int(max(font.getlength(class_names[n]) for n in shown)) + size + 3 * gap
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    left, top = gap, picture.shape[0] - gap - len(shown) * line - gap
    draw.rounded_rectangle((left, top, left + width, picture.shape[0] - gap), gap // 2, _PAPER)
    for place, n in enumerate(shown):
        y = top + gap // 2 + place * line + line / 2
        color = tuple(int(value) for value in palette[n])
        draw.rounded_rectangle((left + gap, y - size / 2, left + gap + size, y + size / 2), 2, color)
        draw.text((left + 2 * gap + size, y), class_names[n], _INK, font, anchor="lm")
    return np.asarray(image)


def with_region_names(
    picture: np.ndarray, train_ids: np.ndarray, class_names: Sequence[str], palette: np.ndarray
) -> np.ndarray:
    """Write the class on each large region, where it is widest and the name fits; black ones stay bare."""
    image = Image.fromarray(picture)
    draw, size = ImageDraw.Draw(image), max(11, picture.shape[0] // 42)
    font = load_default(size)
    for n in np.unique(train_ids).tolist():
        if n >= len(class_names) or not palette[n].any():
            continue
        _, labels, stats, _ = cv2.connectedComponentsWithStats((train_ids == n).view(np.uint8), connectivity=4)
        for region in range(1, len(stats)):
            x, y, width, height, area = stats[region].tolist()
            length = font.getlength(class_names[n])
            if area < _LARGE * train_ids.size or length > width or size > height:
                continue
            part = np.pad(labels[y : y + height, x : x + width] == region, 1).view(np.uint8)
            away = cv2.distanceTransform(part, cv2.DIST_L2, 3)
            if 2 * away.max() < max(1.2 * size, 0.5 * length):
                continue
            wide = np.argwhere(away >= 0.9 * away.max())  # of these, the nearest to the region's middle
            row, column = wide[np.abs(wide - np.argwhere(part).mean(0)).sum(1).argmin()].tolist()
            place = (x + column - 1, y + row - 1)
            draw.text(place, class_names[n], _INK, font, anchor="mm", stroke_width=max(1, size // 8), stroke_fill=_EDGE)
    return np.asarray(image)
