"""The picture on a building's wall, and the light in its windows: RGB arrays, unlit."""

from dataclasses import dataclass

import cv2
import numpy as np

from painted_scenes.noise import noise_patch

_WALLS = {
    "brick": ((176, 150, 120), (188, 166, 138), (160, 140, 118), (196, 176, 150)),
    "plaster": (
        (206, 196, 176), (190, 178, 150), (214, 188, 140), (172, 172, 168),
        (226, 206, 164), (196, 164, 140), (180, 190, 190), (212, 172, 150),
    ),
    "concrete": ((150, 148, 144), (128, 126, 124), (170, 164, 154), (110, 112, 116)),
}  # fmt: skip
_SHOPS = (
    (28, 72, 150), (30, 100, 90), (40, 40, 46), (222, 220, 214), (120, 60, 110), (70, 120, 150),
    (92, 62, 44), (150, 40, 60),
)  # fmt: skip

_GLASS = np.array([62.0, 70.0, 80.0])


@dataclass(frozen=True)
class Facade:
    """A wall's pictures.

    Attributes:
        image: (h, w, 3) uint8 RGB; the top row is the eaves.
        lit: (h, w, 3) uint8 RGB, light from windows at night.
        color: (3,) the wall's own colour.
    """

    image: np.ndarray
    lit: np.ndarray
    color: np.ndarray


@dataclass(frozen=True)
class Style:
    """The appearance of a building; its walls share it."""

    color: np.ndarray
    brick: bool
    frame: np.ndarray
    floor: float
    ground_floor: float
    bay: float
    window: tuple[float, float]
    ribbon: bool
    shop: bool
    blinds: float
    lit_share: float
    offset: tuple[int, int]


def sample_style(rng: np.random.Generator, variant: str) -> Style:
    """Draw the style of a "building" or a "house"."""
    material = str(rng.choice(list(_WALLS), p=[0.24, 0.54, 0.22]))
    color = rng.choice(_WALLS[material]) * rng.uniform(0.8, 1.12)
    house = variant == "house"
    ribbon = not house and bool(rng.random() < 0.18)
    return Style(
        color=color,
        brick=material == "brick",
        frame=np.full(3, rng.choice([236.0, 226.0, 70.0, 44.0])),
        floor=rng.uniform(2.7, 3.4),
        ground_floor=rng.uniform(2.8, 3.2) if house else rng.uniform(3.2, 4.4),
        bay=rng.uniform(1.9, 3.4),
        window=(rng.uniform(0.42, 0.6), rng.uniform(0.48, 0.68)),
        ribbon=ribbon,
        shop=not house and bool(rng.random() < 0.58),
        blinds=rng.uniform(0.1, 0.5),
        lit_share=rng.uniform(0.08, 0.4),
        offset=(int(rng.integers(256)), int(rng.integers(256))),
    )


def paint_facade(rng: np.random.Generator, style: Style, size: tuple[float, float], scale: float) -> Facade:
    """Paint a wall of (height, length) in metres at ``scale`` pixels per metre."""
    rows, columns = (max(round(part * scale), 4) for part in size)
    image = _wall(style, (rows, columns), scale)
    lit = np.zeros((rows, columns, 3), np.uint8)
    brush = _Brush(image, lit, scale, size[0])
    if size[1] > 2.5:
        _upper_floors(rng, style, brush, size)
        if style.shop:
            _shops(rng, brush, style, size[1])
        else:
            _entrance(rng, brush, style, size[1])
    brush.fill(0, size[1], size[0] - 0.35, size[0], style.color * 1.14)
    brush.fill(0, size[1], size[0] - 0.45, size[0] - 0.35, style.color * 0.6)
    return Facade(image, lit, style.color)


def _wall(style: Style, size: tuple[int, int], scale: float) -> np.ndarray:
    stain = noise_patch(size, 1.6, style.offset)
    grain = noise_patch(size, 0.4, style.offset[::-1])
    tone = 1 + 0.055 * stain + 0.04 * grain
    if style.brick and scale > 7:
        course = max(int(scale * 0.22), 2)
        tone[::course] *= 0.9
    # Walls are darker near the street, where dirt splashes and the sky is hidden.
    tone *= np.linspace(1.05, 0.86, size[0], dtype=np.float32)[:, None]
    return (style.color * tone[..., None]).clip(0, 255).astype(np.uint8)


class _Brush:
    """Fills rectangles given in metres from the wall's lower left corner."""

    def __init__(self, image: np.ndarray, lit: np.ndarray, scale: float, height: float) -> None:
        self.image, self.lit, self.scale, self.height = image, lit, scale, height

    def _corners(self, left: float, right: float, low: float, high: float) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last pixel (column, row) of a rectangle."""
        top = round((self.height - high) * self.scale)
        bottom = max(round((self.height - low) * self.scale) - 1, top)
        first = round(left * self.scale)
        last = max(round(right * self.scale) - 1, first)
        return (first, top), (last, bottom)

    def fill(self, left: float, right: float, low: float, high: float, color: np.ndarray) -> None:
        """Fill a rectangle with one colour."""
        first, last = self._corners(left, right, low, high)
        cv2.rectangle(self.image, first, last, color.tolist(), -1)

    def glass(self, box: tuple[float, float, float, float], tone: float, light: np.ndarray | None) -> None:
        """A pane: dark below, mirroring the sky above; ``light`` shines at night."""
        left, right, low, high = box
        self.fill(left, right, low, high, _GLASS * (tone * 0.8))
        self.fill(left, right, low + (high - low) * 0.55, high, _GLASS * (tone * 1.3))
        if light is not None:
            cv2.rectangle(self.lit, *self._corners(*box), light.tolist(), -1)


def _upper_floors(rng: np.random.Generator, style: Style, brush: _Brush, size: tuple[float, float]) -> None:
    height, length = size
    count = max(int((length - 0.6) / style.bay), 1)
    margin = (length - count * style.bay) / 2
    low = style.ground_floor
    balcony = bool(rng.random() < 0.15)
    while low + 2.3 < height:
        sill, high = low + 0.85, low + 0.85 + style.floor * style.window[1]
        high = min(high, height - 0.5)
        if style.ribbon:
            brush.glass((0.4, length - 0.4, sill, high), rng.uniform(0.8, 1.2), None)
        for number in range(count):
            left = margin + number * style.bay + style.bay * (1 - style.window[0]) / 2
            right = left + style.bay * style.window[0]
            if style.ribbon:
                brush.fill(left - 0.05, left + 0.05, sill, high, style.frame)
                continue
            _window(rng, style, brush, (left, right, sill, high))
            if balcony:
                brush.fill(left - 0.3, right + 0.3, low + 0.1, low + 1.0, style.color * 0.55)
        brush.fill(0, length, low - 0.1, low + 0.08, style.color * 1.1)
        low += style.floor


def _window(rng: np.random.Generator, style: Style, brush: _Brush, box: tuple[float, float, float, float]) -> None:
    left, right, low, high = box
    fine = brush.scale > 5
    if fine:
        brush.fill(left - 0.09, right + 0.09, low - 0.06, high + 0.09, style.frame)
        brush.fill(left - 0.15, right + 0.15, low - 0.16, low - 0.06, style.color * 1.18)
    shining = rng.random() < style.lit_share
    warm = np.array([255, 214, 150]) * rng.uniform(0.45, 1) if shining else None
    brush.glass(box, rng.uniform(0.55, 1.35), warm)
    if rng.random() < style.blinds:
        drop = low + (high - low) * rng.uniform(0.3, 0.9)
        brush.fill(left, right, drop, high, np.array([206, 200, 188]) * rng.uniform(0.7, 1.05))
    if fine:
        middle = (left + right) / 2
        brush.fill(middle - 0.035, middle + 0.035, low, high, style.frame)


def _shops(rng: np.random.Generator, brush: _Brush, style: Style, length: float) -> None:
    """A row of shop fronts: plinth, panes with goods behind, a sign board, maybe an awning."""
    top, left = style.ground_floor, 0.2
    while left < length - 1.5:
        right = min(left + rng.uniform(3.5, 7), length - 0.2)
        color = rng.choice(_SHOPS) * rng.uniform(0.75, 1.1)
        brush.fill(left, right, 0, top - 0.2, color * 0.7)
        warm = np.array([255, 236, 200]) * rng.uniform(0.3, 1.0) if rng.random() < 0.6 else None
        pane = left + 0.25
        while pane < right - 0.6:
            end = min(pane + rng.uniform(1.0, 1.8), right - 0.25)
            door = rng.random() < 0.25
            brush.glass((pane, end, 0.1 if door else 0.55, top - 1.0), rng.uniform(0.6, 1.5), warm)
            for _ in range(3):
                spot = rng.uniform(pane, end - 0.2)
                shelf, goods = rng.uniform(0.6, top - 1.4), rng.uniform(30, 230, 3)
                brush.fill(spot, min(spot + 0.35, end), shelf, shelf + 0.35, goods)
            pane = end + 0.12
        _sign_board(rng, brush, (left, right, top - 0.95, top - 0.25), color)
        if rng.random() < 0.22:
            awning = rng.choice(_SHOPS) * 1.0
            brush.fill(left, right, top - 1.5, top - 0.9, awning)
        left = right + rng.uniform(0.1, 0.5)


def _sign_board(
    rng: np.random.Generator, brush: _Brush, box: tuple[float, float, float, float], color: np.ndarray
) -> None:
    left, right, low, high = box
    brush.fill(left, right, low, high, color)
    letter = 240.0 if color.mean() < 130 else 30.0
    place = left + rng.uniform(0.3, 1.0)
    while place < right - rng.uniform(0.5, 1.2):
        wide = rng.uniform(0.16, 0.34)
        brush.fill(place, place + wide * 0.72, low + 0.17, high - 0.17, np.full(3, letter))
        place += wide + 0.08


def _entrance(rng: np.random.Generator, brush: _Brush, style: Style, length: float) -> None:
    """Windows at street level and a door."""
    top = style.ground_floor
    count = max(int((length - 0.6) / style.bay), 1)
    margin = (length - count * style.bay) / 2
    door = int(rng.integers(count))
    for number in range(count):
        left = margin + number * style.bay + style.bay * (1 - style.window[0]) / 2
        right = left + style.bay * style.window[0]
        if number == door:
            brush.fill(left - 0.12, right + 0.12, 0, 2.45, style.frame * 0.9)
            brush.fill(left, right, 0, 2.2, rng.choice(_SHOPS) * 0.7)
        else:
            _window(rng, style, brush, (left, right, 0.95, min(2.4, top - 0.3)))
