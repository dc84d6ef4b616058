"""A line chart of one value per feature and network, drawn without a plotting package.

In: curves by name. Out: (H, W, 3) uint8 RGB.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 44, 84
_INK, _GRID, _PAPER = (28, 32, 38), (222, 225, 228), (255, 255, 255)
_COLORS = ((90, 96, 104), (214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189))
_FONT_SIZE = 15


def draw_curves(
    curves: Mapping[str, Sequence[float]], names: Sequence[str], title: str
) -> np.ndarray:
    """Draw curves over the features of a network, from shallow to deep.

    Args:
        curves: title -> values, not negative, one for each feature (or fewer).
        names: of the features, along the horizontal axis.
        title: above the chart.

    Returns:
        (480, 960, 3) uint8 RGB.
    """
    sheet = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    top = _nice_top(max(max(values) for values in curves.values()))
    draw.text((WIDTH / 2, _TOP / 2), title, _INK, font, anchor="mm")
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        draw.line((_LEFT, y, WIDTH - _RIGHT, y), _GRID)
        draw.text((_LEFT - 6, y), f"{value:g}", _INK, font, anchor="rm")
    for index, name in enumerate(names):
        x = _x(index, len(names))
        # Every second name one line lower, so that long ones do not touch.
        y = HEIGHT - _BOTTOM + 14 + 16 * (index % 2)
        draw.text((x, y), name.removeprefix("layer"), _INK, font, anchor="mm")
    for number, (label, values) in enumerate(curves.items()):
        color = _COLORS[number % len(_COLORS)]
        points = [(_x(index, len(names)), _y(value, top)) for index, value in enumerate(values)]
        draw.line(points, color, width=3, joint="curve")
        for x, y in points:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=color)
        x, y = _LEFT + 180 * number, HEIGHT - 20
        draw.line((x, y, x + 24, y), color, width=3)
        draw.text((x + 30, y), label, _INK, font, anchor="lm")
    return np.asarray(sheet).copy()


def _x(index: int, count: int) -> float:
    return _LEFT + (index + 0.5) * (WIDTH - _LEFT - _RIGHT) / count


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)


def _nice_top(largest: float) -> float:
    """Round up to 1, 2, 4, 6 or 8 times a power of ten."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(next(m * power for m in (1, 2, 4, 6, 8, 10) if largest <= m * power))
