"""Grouped bar charts, drawn without a plotting package.

In: values by series and place. Out: (H, W, 3) uint8 RGB.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segibn.analysis.plot import (
    COLORS,
    FONT_SIZE,
    GRID,
    HEIGHT,
    INK,
    PAPER,
    WIDTH,
    legend_places,
)

_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 44, 44
_GROUP_SHARE = 0.8  # of a place's width that its bars take

Bar = tuple[float, float]
"""A value, which may be negative, and half the length of the line at its end (0 = none)."""


def draw_bars(bars: Mapping[str, Sequence[Bar]], names: Sequence[str], title: str) -> np.ndarray:
    """Draw bars side by side at named places.

    Args:
        bars: title of a series -> one bar for each name.
        names: along the horizontal axis.
        title: above the chart.

    Returns:
        (480, 960, 3) uint8 RGB.
    """
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    legend = legend_places(list(bars), font)
    bottom = min(y for _, y in legend) - _BOTTOM
    low, high, step = _axis([bar for series in bars.values() for bar in series])

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - _TOP)

    draw.text((WIDTH / 2, _TOP / 2), title, INK, font, anchor="mm")
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        draw.line((_LEFT, y(value), WIDTH - _RIGHT, y(value)), GRID)
        draw.text((_LEFT - 6, y(value)), f"{value:g}", INK, font, anchor="rm")
    place = (WIDTH - _LEFT - _RIGHT) / len(names)
    width = place * _GROUP_SHARE / len(bars)
    for number, (label, series) in enumerate(bars.items()):
        color = COLORS[number % len(COLORS)]
        for index, (value, spread) in enumerate(series):
            left = _LEFT + place * (index + (1 - _GROUP_SHARE) / 2) + width * number
            ends = sorted((y(0), y(value)))
            draw.rectangle((left, ends[0], left + width - 2, ends[1]), color)
            middle = left + width / 2 - 1
            if spread > 0:
                line = (middle, y(value - spread), middle, y(value + spread))
                draw.line(line, INK, width=2)
        x, line_y = legend[number]
        draw.rectangle((x, line_y - 6, x + 24, line_y + 6), color)
        draw.text((x + 30, line_y), label, INK, font, anchor="lm")
    draw.line((_LEFT, y(0), WIDTH - _RIGHT, y(0)), INK)
    for index, name in enumerate(names):
        draw.text((_LEFT + place * (index + 0.5), bottom + 18), name, INK, font, anchor="mm")
    return np.asarray(sheet).copy()


def _axis(bars: Sequence[Bar]) -> tuple[float, float, float]:
    """Return lowest and highest mark, and the step between them: 1, 2 or 5 times a power of 10."""
    low = min(0.0, *(value - spread for value, spread in bars))
    high = max(0.0, *(value + spread for value, spread in bars))
    if -low < 0.02 * high:  # a hair below zero needs no room of its own
        low = 0.0
    if high == low:  # nothing but zeros
        high = 1.0
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if rough <= m * power)
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step), float(step)
