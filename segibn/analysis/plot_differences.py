"""A chart of differences with their intervals, drawn without a plotting package.

In: rows of (name, difference, lower, upper bound) of one or more runs. Out: (H, W, 3) uint8 RGB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 170, 30, 48, 42
_LINE, _GROUP_GAP, _LEGEND_LINE = 14, 12, 20
_INK, _GRID, _PAPER, _WARNING = (28, 32, 38), (222, 225, 228), (255, 255, 255), (176, 0, 32)
_COLORS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (90, 96, 104))
_FONT_SIZE = 15


@dataclass(frozen=True)
class Bar:
    """One difference; NaN = nothing to draw.

    Attributes:
        value: in the unit of the axis.
        low: lower bound.
        high: upper bound.
        is_strong: whether it is drawn filled: shown to differ from nought.
    """

    value: float
    low: float
    high: float
    is_strong: bool


def draw_differences(
    runs: Mapping[str, Sequence[Bar]],
    names: Sequence[str],
    title: str,
    unit: str,
    warnings: Sequence[str] = (),
) -> np.ndarray:
    """Draw a dot and a bar for each name and run, beside a line at nought.

    Args:
        runs: legend -> one bar for each name.
        names: of the rows, from top to bottom.
        title: above the chart.
        unit: below the axis.
        warnings: printed in red below the legend.

    Returns:
        (H, 960, 3) uint8 RGB; H grows with names, runs and warnings.
    """
    group = _LINE * len(runs) + _GROUP_GAP
    bottom = _TOP + group * len(names)
    lines = len(runs) + len(warnings) + 1
    sheet = Image.new("RGB", (WIDTH, bottom + _BOTTOM + _LEGEND_LINE * lines), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    low, high, step = _axis([bar for bars in runs.values() for bar in bars])

    def x_of(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    draw.text((WIDTH / 2, _TOP / 2), title, _INK, font, anchor="mm")
    for tick in np.arange(low, high + step / 2, step):
        draw.line((x_of(tick), _TOP, x_of(tick), bottom), _GRID)
        draw.text((x_of(tick), bottom + 12), f"{tick:+g}" if tick else "0", _INK, font, anchor="mm")
    draw.line((x_of(0), _TOP, x_of(0), bottom), _INK, width=2)
    draw.text((WIDTH / 2, bottom + 32), unit, _INK, font, anchor="mm")
    for row, name in enumerate(names):
        top = _TOP + group * row + _GROUP_GAP / 2
        draw.text((_LEFT - 10, top + _LINE * len(runs) / 2), name, _INK, font, anchor="rm")
        for number, bars in enumerate(runs.values()):
            y = top + _LINE * (number + 0.5)
            _draw_bar(draw, bars[row], x_of, y, _COLORS[number % len(_COLORS)])
    texts = [(label, _COLORS[n % len(_COLORS)]) for n, label in enumerate(runs)]
    texts += [(f"WARNING: {warning}", _WARNING) for warning in warnings]
    for number, (text, color) in enumerate(texts):
        y = bottom + _BOTTOM + _LEGEND_LINE * (number + 1)
        draw.text((14, y), _cut(text, font), color, font, anchor="lm")
    return np.asarray(sheet).copy()


def _draw_bar(draw: ImageDraw.ImageDraw, bar: Bar, x_of, y: float, color: tuple) -> None:
    if np.isnan([bar.value, bar.low, bar.high]).any():
        return
    x, ends = x_of(bar.value), (x_of(bar.low), x_of(bar.high))
    draw.line((ends[0], y, ends[1], y), color, width=2)
    for end in ends:
        draw.line((end, y - 4, end, y + 4), color, width=2)
    fill = color if bar.is_strong else _PAPER
    draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=fill, outline=color, width=2)


def _axis(bars: Sequence[Bar]) -> tuple[float, float, float]:
    """Return both ends and the step of an axis that holds nought and every bound."""
    ends = np.array([[bar.low, bar.high] for bar in bars], dtype=float)
    ends = np.append(ends[~np.isnan(ends)], 0.0)
    low, high = ends.min(), ends.max()
    span = high - low or 1.0
    power = 10.0 ** np.floor(np.log10(span / 4))
    step = float(next(m * power for m in (1, 2, 5, 10) if span <= 8 * m * power))
    first, last = np.floor(low / step) * step, np.ceil(high / step) * step
    return float(first), float(last if last > first else first + step), step


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Shorten a text that is wider than the sheet."""
    if font.getlength(text) <= WIDTH - 28:
        return text
    while font.getlength(text + " ...") > WIDTH - 28:
        text = text[:-1]
    return text + " ..."
