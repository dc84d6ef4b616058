"""Line charts, drawn without a plotting package.

In: curves by name. Out: (H, W, 3) uint8 RGB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 44, 64
_LEGEND_LINE = 20
INK, GRID, PAPER = (28, 32, 38), (222, 225, 228), (255, 255, 255)
COLORS = ((90, 96, 104), (214, 39, 40), (31, 119, 180), (44, 160, 44), (148, 103, 189))
FONT_SIZE = 15
_DASH, _GAP = 8, 6

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        values: not negative, one for each place on the horizontal axis (or fewer).
        spread: half the length of the bar at each value; empty = no bars.
        color: index of the colour; None = the curve's own.
        dashed: whether the line is broken.
    """

    values: Sequence[float]
    spread: Sequence[float] = ()
    color: int | None = None
    dashed: bool = False

    @property
    def highest(self) -> float:
        """The largest value, its bar included."""
        bars = [*self.spread, *[0.0] * (len(self.values) - len(self.spread))]
        return max(value + bar for value, bar in zip(self.values, bars, strict=True))


def draw_curves(
    curves: Mapping[str, Sequence[float] | Curve],
    names: Sequence[str],
    title: str,
    places: Sequence[float] | None = None,
) -> np.ndarray:
    """Draw curves over named places, such as the features of a network from shallow to deep.

    Args:
        curves: title -> values, not negative, one for each name (or fewer); or a ``Curve``.
        names: along the horizontal axis.
        title: above the chart.
        places: of the names, 0 (left) to 1 (right); None = evenly spread.

    Returns:
        (480, 960, 3) uint8 RGB.
    """
    drawn = {
        label: curve if isinstance(curve, Curve) else Curve(curve)
        for label, curve in curves.items()
    }
    if places is None:
        places = [(index + 0.5) / len(names) for index in range(len(names))]
    xs = [_LEFT + place * (WIDTH - _LEFT - _RIGHT) for place in places]
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    legend = legend_places(list(drawn), font)
    bottom = min(y for _, y in legend) - _BOTTOM
    top = _nice_top(max(curve.highest for curve in drawn.values()))
    draw.text((WIDTH / 2, _TOP / 2), title, INK, font, anchor="mm")
    _draw_axes(draw, font, dict(zip(names, xs, strict=True)), top, bottom)
    for number, (label, curve) in enumerate(drawn.items()):
        index = number if curve.color is None else curve.color
        color = COLORS[index % len(COLORS)]
        _draw_curve(draw, curve, xs, top, bottom, color)
        x, y = legend[number]
        _draw_line(draw, [(x, y), (x + 24, y)], color, curve.dashed)
        draw.text((x + 30, y), label, INK, font, anchor="lm")
    return np.asarray(sheet).copy()


def _draw_axes(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    names: Mapping[str, float],
    top: float,
    bottom: float,
) -> None:
    for step in range(5):
        y = _y(top * step / 4, top, bottom)
        draw.line((_LEFT, y, WIDTH - _RIGHT, y), GRID)
        draw.text((_LEFT - 6, y), f"{top * step / 4:g}", INK, font, anchor="rm")
    for index, (name, x) in enumerate(names.items()):
        # Every second name one line lower, so that long ones do not touch.
        y = bottom + 14 + 16 * (index % 2)
        draw.text((x, y), name.removeprefix("layer"), INK, font, anchor="mm")


def _draw_curve(
    draw: ImageDraw.ImageDraw,
    curve: Curve,
    xs: Sequence[float],
    top: float,
    bottom: float,
    color: tuple[int, int, int],
) -> None:
    points = [(x, _y(value, top, bottom)) for x, value in zip(xs, curve.values, strict=False)]
    _draw_line(draw, points, color, curve.dashed)
    for x, y in points:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=color)
    for (x, y), spread in zip(points, curve.spread, strict=False):
        length = spread / top * (bottom - _TOP)
        ends = (y - length, min(y + length, bottom))
        draw.line((x, ends[0], x, ends[1]), color, width=1)
        for end in ends:
            draw.line((x - 4, end, x + 4, end), color, width=1)


def _draw_line(
    draw: ImageDraw.ImageDraw, points: Sequence[Point], color: tuple[int, int, int], dashed: bool
) -> None:
    if not dashed:
        draw.line(list(points), color, width=3, joint="curve")
        return
    for (x0, y0), (x1, y1) in pairwise(points):
        length = float(np.hypot(x1 - x0, y1 - y0))
        for start in np.arange(0, length, _DASH + _GAP):
            a, b = start / length, min(1.0, (start + _DASH) / length)
            ends = (x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0))
            draw.line(ends, color, width=2)


def legend_places(
    labels: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> list[Point]:
    """Lay the labels out in columns of one width, in as many lines as that takes."""
    column = max(180.0, max(font.getlength(label) for label in labels) + 30 + 20)
    columns = max(1, int((WIDTH - _LEFT) // column))
    rows = -(-len(labels) // columns)
    first = HEIGHT - _LEGEND_LINE * rows
    return [
        (_LEFT + column * (index % columns), first + _LEGEND_LINE * (index // columns))
        for index in range(len(labels))
    ]


def _y(value: float, top: float, bottom: float) -> float:
    return bottom - value / top * (bottom - _TOP)


def _nice_top(largest: float) -> float:
    """Round up to 1, 2, 4, 6 or 8 times a power of ten."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(next(m * power for m in (1, 2, 4, 6, 8, 10) if largest <= m * power))
