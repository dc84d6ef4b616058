"""Bodies made of flat faces, turned, lit and painted with hidden faces left out.

Faces are in a body's own axes: forward, up, right; metres.
"""

import cv2
import numpy as np

from painted_scenes.camera import NEAR, clip_near
from painted_scenes.canvas import Color
from painted_scenes.stage import Stage

_CORNERS = 14  # every face is stored with this many corners, the last one repeated


class Solid:
    """Faces in painting order: what is added later lies on top of what was added before.

    Corners run clockwise as seen from outside. A colour of four numbers is RGB plus a share of
    the coat that the body gets when it is painted, so that one body serves many coats.
    """

    def __init__(self) -> None:
        self._corners: list[np.ndarray] = []
        self._colors: list[np.ndarray] = []
        self._shine: list[Color | None] = []

    def face(self, corners: np.ndarray, color: Color, shine: Color | None = None) -> None:
        """Add a face; ``corners`` (n, 3) forward, up, right; ``shine`` its light at night."""
        corners = np.asarray(corners, np.float64)
        padding = np.repeat(corners[-1:], _CORNERS - len(corners), axis=0)
        self._corners.append(np.concatenate([corners, padding]))
        self._colors.append(np.append(color, 0.0)[:4])
        self._shine.append(shine)

    def prism(self, profile: list[tuple[float, float]], widths: list[float], colors: list[Color]) -> None:
        """Add a body with a side profile.

        Args:
            profile: (forward, up) corners, counter-clockwise when forward points right.
            widths: half width at each corner, metres.
            colors: of the face from each corner to the next; then of both sides.
        """
        count = len(profile)
        left = np.array([(x, y, -w) for (x, y), w in zip(profile, widths, strict=True)])
        right = left * (1, 1, -1)
        self.face(right[::-1], colors[count])
        self.face(left, colors[count])
        for i in range(count):
            j = (i + 1) % count
            self.face(np.array([left[i], right[i], right[j], left[j]]), colors[i])

    def side_patch(self, corners: list[tuple[float, float]], widths: tuple[float, float], color: Color) -> None:
        """Add a flat patch to both sides.

        Args:
            corners: (forward, up), counter-clockwise when forward points right.
            widths: half width of the body at the patch's lowest and highest corner.
        """
        heights = [y for _, y in corners]
        low, span = min(heights), max(max(heights) - min(heights), 1e-6)
        grown = [widths[0] + (widths[1] - widths[0]) * (y - low) / span + 0.01 for y in heights]
        left = np.array([(x, y, -w) for (x, y), w in zip(corners, grown, strict=True)])
        self.face(left, color)
        self.face((left * (1, 1, -1))[::-1], color)

    def side_box(self, box: tuple[float, float, float, float], width: float, color: Color) -> None:
        """Add a rectangle (back, front, low, high) to both sides at half width ``width``."""
        back, front, low, high = box
        corners = [(back, low), (front, low), (front, high), (back, high)]
        self.side_patch(corners, (width, width), color)

    def end_box(
        self, place: float, box: tuple[float, float, float, float], color: Color, shine: Color | None = None
    ) -> None:
        """Add a rectangle (left, right, low, high) to the front (place > 0) or the back."""
        left, right, low, high = box
        corners = np.array([(left, low), (left, high), (right, high), (right, low)])
        if place > 0:
            corners = corners[::-1]
        x = np.full((4, 1), place + 0.012 * np.sign(place))
        self.face(np.concatenate([x, corners[:, 1:], corners[:, :1]], axis=1), color, shine)

    def wheel(self, forward: float, radius: float, width: float, fine: bool = True) -> None:
        """Add a tyre and, if ``fine``, a rim to both sides."""
        angle = np.arange(12) * (2 * np.pi / 12)
        for share, tone in ((1.0, 24.0), (0.62, 112.0), (0.2, 60.0))[: 3 if fine else 1]:
            ring = [(forward + radius * share * np.cos(a), radius + radius * share * np.sin(a)) for a in angle]
            self.side_patch(ring, (width, width), np.full(3, tone))

    def paint(
        self, stage: Stage, place: np.ndarray, heading: float, owner: int, coat: np.ndarray | None = None
    ) -> None:
        """Paint all faces that are turned towards the camera.

        Args:
            place: (3,) world place of the body's origin, metres.
            heading: radians clockwise from straight ahead.
            coat: (3,) RGB colour that faces share in.
        """
        canvas = stage.canvas
        local = np.stack(self._corners)
        sine, cosine = np.sin(heading), np.cos(heading)
        x = place[0] + local[..., 0] * sine + local[..., 2] * cosine
        z = place[2] + local[..., 0] * cosine - local[..., 2] * sine
        world = np.stack([x, place[1] + local[..., 1], z], axis=-1)
        normals = np.cross(world, np.roll(world, -1, axis=1)).sum(axis=1)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        eye = np.array([0.0, canvas.camera.height, 0.0])
        facing = ((eye - world[:, 0]) * normals).sum(axis=1)
        table = np.stack(self._colors)
        colors = table[:, :3] + table[:, 3:] * (0.0 if coat is None else coat)
        colors = colors * canvas.light.shade(normals)
        points = canvas.camera.project(world)
        for i in np.nonzero(facing > 0)[0]:
            corners = points[i]
            if world[i, :, 2].min() < NEAR:
                clipped = clip_near(world[i])
                if len(clipped) < 3:
                    continue
                corners = canvas.camera.project(clipped)
            canvas.polygon(corners, colors[i], owner)
            if self._shine[i] is not None and canvas.light.night > 0:
                canvas.shine(corners, np.asarray(self._shine[i]) * canvas.light.night, owner)


def limbs(
    stage: Stage,
    frame: tuple[np.ndarray, float],
    strokes: list[tuple[list[tuple[float, float, float]], float, Color]],
    owner: int,
) -> None:
    """Paint round limbs.

    Args:
        frame: world place (3,) of the origin and heading in radians.
        strokes: each a line of (forward, up, right) points, its thickness in metres, its colour
            before light.
    """
    place, heading = frame
    canvas = stage.canvas
    sine, cosine = np.sin(heading), np.cos(heading)
    scale = canvas.camera.pixels_per_metre(place[2])
    lit = canvas.light.shade(np.array([0.0, 0.3, -0.95]))
    local = np.array([point for line, _, _ in strokes for point in line])
    x = place[0] + local[:, 0] * sine + local[:, 2] * cosine
    z = place[2] + local[:, 0] * cosine - local[:, 2] * sine
    points = canvas.camera.project(np.stack([x, place[1] + local[:, 1], z], axis=1))
    start = 0
    for line, thick, color in strokes:
        end = start + len(line)
        canvas.stroke(points[start:end], thick * scale, np.asarray(color) * lit, owner)
        start = end


def spokes(
    stage: Stage,
    frame: tuple[np.ndarray, float],
    hubs: tuple[tuple[float, float], ...],
    tyre: tuple[float, float],
    owner: int,
) -> None:
    """Paint the wheels of a two-wheeler: half-clear spokes inside a dark tyre.

    Args:
        frame: as in `limbs`.
        hubs: (forward, radius) of each wheel, metres.
        tyre: thickness in metres and opacity 0..1 of the inside.
    """
    place, heading = frame
    canvas = stage.canvas
    angle = np.arange(18) * (2 * np.pi / 18)
    for forward, radius in hubs:
        along = forward + radius * np.cos(angle)
        up = radius + radius * np.sin(angle)
        x, z = place[0] + along * np.sin(heading), place[2] + along * np.cos(heading)
        ring = canvas.camera.project(np.stack([x, up, z], axis=1))
        low, high = (np.floor(ring.min(axis=0)).astype(int), np.ceil(ring.max(axis=0)).astype(int) + 1)
        area = canvas.paint[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)]
        before = area[..., :3].astype(np.float32)
        canvas.polygon(ring, (40, 40, 42), owner)
        mixed = before * (1 - tyre[1]) + area[..., :3] * tyre[1]
        np.copyto(area[..., :3], mixed.astype(np.uint8), where=area[..., 3:] == owner)
        thick = max(round(tyre[0] * canvas.camera.pixels_per_metre(place[2])), 1)
        points = [np.rint(ring * 16).astype(np.int32)]
        cv2.polylines(canvas.paint, points, True, (26, 26, 28, owner), thick, shift=4)
