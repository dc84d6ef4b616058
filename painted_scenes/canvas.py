"""Where painters put colours, and where each pixel remembers whose it is.

Polygons, strokes, textures and sprites, painted far to near -> red, green, blue and the number of
the object on top; objects carry label id, place and instance flag, so labels follow the painted
shapes to the pixel. Lamps are painted a second time into ``glow``, with the number of their owner:
a lamp that something nearer hides does not shine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from painted_scenes.camera import Camera, clip_near
from painted_scenes.styles import Light

_SHIFT = 4  # fractional bits of polygon corners handed to OpenCV
_UNIT = 1 << _SHIFT
_RAMP = np.arange(256)[:, None] / 128  # brightness 128 of a sprite keeps its colour
MAX_OBJECTS = 250

Color = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class PaintedObject:
    """One owner of pixels.

    Attributes:
        x: world place in metres, for light from street lamps.
        z: distance in metres, for haze.
        countable: whether it is an instance of its class.
    """

    label_id: int
    x: float
    z: float
    countable: bool = False


class Canvas:
    """A picture in the making.

    Attributes:
        light: painters shade their colours with it.
        paint: (H, W, 4) uint8, RGB and object number.
        glow: (H, W, 4) uint8, light given off in RGB and its owner's number.
        objects: by number.
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera = camera
        self.light = light
        self.paint = np.zeros((*camera.size, 4), np.uint8)
        self.glow = np.zeros((*camera.size, 4), np.uint8)
        self.objects: list[PaintedObject] = []

    def add(self, label_id: int, x: float, z: float, countable: bool = False) -> int:
        """Register an object and return its number; a full table reuses one of that label."""
        if len(self.objects) >= MAX_OBJECTS:
            same = [i for i, known in enumerate(self.objects) if known.label_id == label_id]
            return same[-1] if same else 0
        self.objects.append(PaintedObject(label_id, x, z, countable))
        return len(self.objects) - 1

    def polygon(self, corners: np.ndarray, color: Color, owner: int) -> None:
        """Fill a polygon; ``corners`` (n, 2) canvas u, v; ``color`` RGB 0..255."""
        cv2.fillPoly(self.paint, [_fixed(corners)], _paint(color, owner), shift=_SHIFT)

    def shine(self, corners: np.ndarray, color: Color, owner: int) -> None:
        """Make a polygon give off light of ``color`` where its owner stays visible."""
        cv2.fillPoly(self.glow, [_fixed(corners)], _paint(color, owner), shift=_SHIFT)

    def face(self, corners: np.ndarray, color: Color, owner: int) -> None:
        """Fill a polygon given by (n, 3) world corners, cut at the near plane."""
        corners = clip_near(np.asarray(corners, np.float64))
        if len(corners) >= 3:
            self.polygon(self.camera.project(corners), color, owner)

    def stroke(self, ends: np.ndarray, width: float, color: Color, owner: int) -> None:
        """Draw a line with round ends; ``ends`` (n, 2) canvas u, v, ``width`` in pixels."""
        points = _fixed(ends)
        thickness = int(max(round(width), 1))
        cv2.polylines(self.paint, [points], False, _paint(color, owner), thickness, shift=_SHIFT)

    def disc(self, centre: np.ndarray, radii: tuple[float, float], color: Color, owner: int) -> None:
        """Fill an upright ellipse; ``centre`` canvas u, v and ``radii`` across, down in pixels."""
        self.polygon(ellipse(centre, radii), color, owner)

    def texture(self, corners: np.ndarray, image: np.ndarray, owner: int) -> None:
        """Paint a picture onto a quadrilateral in perspective.

        Args:
            corners: (4, 2) canvas corners of the picture's top left, top right, bottom right and
                bottom left.
            image: (h, w, 3) uint8 RGB; or (h, w, 4), the fourth being opacity: what shows
                through stays, but belongs to the owner as annotators label fences.
        """
        box = _box(corners, self.camera.size)
        if box is None:
            return
        top, bottom, left, right = box
        matrix = _perspective(image, corners - (left, top))
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [_fixed(corners - (left, top))], 255, shift=_SHIFT)
        size = (right - left, bottom - top)
        warped = cv2.warpPerspective(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        area = self.paint[top:bottom, left:right]
        if image.shape[2] == 4:
            opacity = warped[..., 3:].astype(np.float32) / 255
            mixed = area[..., :3] * (1 - opacity) + warped[..., :3] * opacity
            warped = mixed.astype(np.uint8)
        owned = cv2.merge([warped, np.full(mask.shape, owner, np.uint8)])
        cv2.copyTo(owned, mask, area)

    def shine_texture(self, corners: np.ndarray, image: np.ndarray, owner: int) -> None:
        """Make a quadrilateral give off the light of a picture (h, w, 3) uint8; as ``texture``."""
        box = _box(corners, self.camera.size)
        if box is None:
            return
        top, bottom, left, right = box
        matrix = _perspective(image, corners - (left, top))
        warped = cv2.warpPerspective(image, matrix, (right - left, bottom - top))
        lit = warped.max(axis=2) > 8
        area = self.glow[top:bottom, left:right]
        np.copyto(area[..., :3], warped, where=lit[..., None])
        area[..., 3][lit] = owner

    def sprite(
        self, box: tuple[float, float, float, float], shape: np.ndarray, color: Color, owner: int, soft: bool = False
    ) -> None:
        """Paste a picture upright.

        Args:
            box: left, top, right, bottom in canvas pixels.
            shape: (h, w, 3) uint8: brightness (128 keeps the colour), opacity, and coverage
                (above 127: the pixel belongs to the owner).
            color: RGB 0..255 that brightness multiplies.
            soft: mix by opacity; otherwise all that is covered is opaque.
        """
        left, top, right, bottom = (round(edge) for edge in box)
        width, height = max(right - left, 1), max(bottom - top, 1)
        rows, columns = self.camera.size
        crop = (max(top, 0), min(top + height, rows), max(left, 0), min(left + width, columns))
        if crop[0] >= crop[1] or crop[2] >= crop[3]:
            return
        method = cv2.INTER_AREA if height < shape.shape[0] else cv2.INTER_LINEAR
        scaled = cv2.resize(shape, (width, height), interpolation=method)
        scaled = scaled[crop[0] - top : crop[1] - top, crop[2] - left : crop[3] - left]
        area = self.paint[crop[0] : crop[1], crop[2] : crop[3]]
        tints = np.full((256, 4), owner, np.uint8)
        tints[:, :3] = np.minimum(_RAMP * np.asarray(color), 255)
        tinted = tints[scaled[..., 0]]
        if soft:
            opacity = scaled[..., 1:2].astype(np.float32) / 255
            mixed = area[..., :3] * (1 - opacity) + tinted[..., :3] * opacity
            area[..., :3] = mixed.astype(np.uint8)
            area[..., 3][scaled[..., 2] > 127] = owner
        else:
            cv2.copyTo(tinted, (scaled[..., 2] > 127).astype(np.uint8), area)


def ellipse(centre: np.ndarray, radii: tuple[float, float]) -> np.ndarray:
    """Corners (16, 2) of a polygon that stands for an upright ellipse."""
    angle = np.arange(16) * (2 * np.pi / 16)
    return np.stack([np.cos(angle) * radii[0], np.sin(angle) * radii[1]], axis=1) + centre


def _fixed(corners: np.ndarray) -> np.ndarray:
    """Canvas pixels (centres at half numbers) as OpenCV's fixed-point (centres at whole ones)."""
    return np.asarray(corners * _UNIT - (_UNIT - 1) / 2).astype(np.int32)


def _paint(color: Color, owner: int) -> tuple[float, float, float, int]:
    return float(color[0]), float(color[1]), float(color[2]), owner  # OpenCV cuts at 0 and 255


def _perspective(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Matrix (3, 3) from the pixels of a picture to the quadrilateral it is to fill."""
    height, width = image.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return cv2.getPerspectiveTransform(source, corners.astype(np.float32))


def _box(corners: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of the part of a polygon on the canvas; None if there is none."""
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    top, bottom = max(int(low[1]), 0), min(int(high[1]), size[0])
    left, right = max(int(low[0]), 0), min(int(high[0]), size[1])
    return (top, bottom, left, right) if top < bottom and left < right else None
