"""Trees and hedges from a small bank of grown shapes.

Crowns are heaps of lit leaf clusters with ragged edges, bare trees are branching lines; the bank is
the same for every seed, painters choose, flip, scale and tint.
"""

from functools import lru_cache

import cv2
import numpy as np

from painted_scenes.camera import NEAR
from painted_scenes.noise import noise_patch
from painted_scenes.scene import Thing
from painted_scenes.stage import VEGETATION, Stage

_BANK = 12  # shapes of each kind
_SIDE = 160  # pixels of a shape
_GREENS = (
    (74, 104, 40), (58, 88, 36), (88, 114, 48), (66, 96, 50), (92, 112, 44), (54, 80, 40),
)  # fmt: skip
_BARKS = ((78, 66, 54), (96, 84, 70), (64, 58, 52), (110, 102, 92))


@lru_cache(maxsize=128)
def _crown(number: int, kind: str, turned: bool) -> np.ndarray:
    """A heap of leaf clusters, "round", "tall" or "bush": brightness, opacity, coverage."""
    rng = np.random.default_rng([417, number, len(kind)])
    light = np.full((_SIDE, _SIDE), 74, np.float32)  # of leaves that stick out at the edges
    solid = np.zeros((_SIDE, _SIDE), np.uint8)
    count = {"round": 46, "tall": 52, "bush": 40}[kind]
    places = _cluster_places(rng, count, kind)
    for x, y, radius in places:
        level = 104 - 46 * (y - 0.5) + 14 * (0.5 - x) + rng.normal(0, 12)
        middle = (int(x * _SIDE), int(y * _SIDE))
        cv2.circle(light, middle, int(radius * _SIDE), float(level * 0.82), -1)
        lit = (middle[0] - int(0.2 * radius * _SIDE), middle[1] - int(0.3 * radius * _SIDE))
        cv2.circle(light, lit, int(radius * _SIDE * 0.66), float(level * 1.18), -1)
        cv2.circle(solid, middle, int(radius * _SIDE), 255, -1)
    light = cv2.GaussianBlur(light, (0, 0), 2.2)
    offset = (int(rng.integers(256)), int(rng.integers(256)))
    leaves = noise_patch((_SIDE, _SIDE), 0.55, offset)
    coarse = noise_patch((_SIDE, _SIDE), 1.2, offset[::-1])
    light = light * (1 + 0.20 * leaves + 0.13 * coarse)
    edge = cv2.GaussianBlur(solid, (0, 0), 3.5).astype(np.float32) / 255
    covered = edge + 0.17 * leaves + 0.10 * coarse > 0.5
    kernel = np.ones((4, 4), np.uint8)
    opacity = cv2.morphologyEx(covered.astype(np.uint8) * 255, cv2.MORPH_OPEN, kernel)
    shape = np.stack([light.clip(8, 255).astype(np.uint8), opacity, opacity], axis=-1)
    return np.ascontiguousarray(shape[:, ::-1]) if turned else shape


def _cluster_places(rng: np.random.Generator, count: int, kind: str) -> np.ndarray:
    """Centres and radii (count, 3) as shares of the picture, from the back to the front."""
    angle = rng.uniform(0, 2 * np.pi, count)
    reach = np.sqrt(rng.uniform(0, 1, count))
    wide, tall = {"round": (0.36, 0.36), "tall": (0.26, 0.38), "bush": (0.39, 0.30)}[kind]
    x = 0.5 + np.cos(angle) * reach * wide
    y = 0.5 + np.sin(angle) * reach * tall
    radius = rng.uniform(0.055, 0.12, count)
    if kind == "tall":
        x = 0.5 + (x - 0.5) * (0.35 + 0.85 * y)
    if kind == "bush":
        y = np.minimum(y + 0.12, 0.9)
    return np.stack([x, y, radius], axis=1)[np.argsort(y + rng.normal(0, 0.15, count))[::-1]]


@lru_cache(maxsize=16)
def _bare(number: int) -> np.ndarray:
    """A leafless crown: (_SIDE, _SIDE, 3) as ``_crown``; twigs close together count as covered."""
    rng = np.random.default_rng([418, number])
    lines = np.zeros((_SIDE, _SIDE), np.uint8)
    queue = [(0.5 * _SIDE, float(_SIDE - 1), -np.pi / 2, 0.24 * _SIDE, 5.0)]
    while queue:
        x, y, angle, length, width = queue.pop()
        end = (x + np.cos(angle) * length, y + np.sin(angle) * length)
        points = np.rint(np.array([(x, y), end])).astype(np.int32)
        cv2.polylines(lines, [points], False, 255, max(round(width), 1), cv2.LINE_AA)
        if length < 7:
            continue
        for _ in range(int(rng.integers(2, 4))):
            turn = angle + rng.normal(0, 0.5)
            queue.append((*end, turn * 0.93 - 0.07 * np.pi / 2, length * rng.uniform(0.62, 0.82), width * 0.64))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    covered = cv2.morphologyEx(lines, cv2.MORPH_CLOSE, kernel)
    haze = cv2.GaussianBlur(covered, (0, 0), 2.0) // 4  # finest twigs, too thin to draw
    light = np.full_like(lines, 128)
    return np.stack([light, np.maximum(lines, haze), (covered > 127).astype(np.uint8) * 255], axis=-1)


def paint_tree(stage: Stage, thing: Thing) -> None:
    """A trunk and a crown; one tree in six is bare."""
    rng = np.random.default_rng(thing.seed)
    canvas, z = stage.canvas, max(thing.z, NEAR)
    owner = stage.add(VEGETATION, thing)
    foot = stage.screen(thing.lateral, z)
    scale = canvas.camera.pixels_per_metre(z)
    height = thing.height * scale
    lit = canvas.light.shade(np.array([0.0, 0.5, -0.85]))
    bark = rng.choice(_BARKS) * lit * rng.uniform(0.7, 1.1)
    kind = str(rng.choice(["round", "tall", "bare"], p=[0.7, 0.22, 0.08]))
    lean = rng.normal(0, 0.02) * height
    bole = rng.uniform(0.18, 0.34) * height if kind != "tall" else 0.12 * height
    thick = max(rng.uniform(0.12, 0.3) * scale, 1.0)
    top = foot - (lean, bole + 0.25 * height)
    _trunk(stage, (foot, top), thick, (bark, owner))
    # Turned by chance, not by the sun: styles have other suns, and share their labels.
    number, turned = int(rng.integers(_BANK)), bool(rng.random() < 0.5)
    shape = _bare(number) if kind == "bare" else _crown(number, kind, turned)
    color = bark if kind == "bare" else _green(rng) * lit
    wide = height * (0.45 if kind == "tall" else rng.uniform(0.62, 0.95))
    middle = foot[0] - lean
    low = foot[1] - bole + (0.10 * height if kind != "bare" else 0)
    box = (middle - wide / 2, foot[1] - height * 1.08, middle + wide / 2, low)
    canvas.sprite(box, shape, color, owner, soft=kind == "bare")


def _green(rng: np.random.Generator) -> np.ndarray:
    return rng.choice(_GREENS) * rng.uniform(0.8, 1.25) * rng.uniform(0.95, 1.05, 3)


def _trunk(stage: Stage, ends: tuple[np.ndarray, np.ndarray], thick: float, manner: tuple[np.ndarray, int]) -> None:
    foot, top = ends
    color, owner = manner
    side = np.array([thick / 2, 0.0])
    outline = np.array([foot - side * 1.25, top - side * 0.6, top + side * 0.6, foot + side * 1.25])
    stage.canvas.polygon(outline, color, owner)
    shadow = np.array([foot, top, top + side * 0.6, foot + side * 1.25])
    stage.canvas.polygon(shadow, color * 0.72, owner)


def paint_hedge(stage: Stage, thing: Thing) -> None:
    """A row of bushes, clipped or wild, in one colour."""
    rng = np.random.default_rng(thing.seed)
    canvas = stage.canvas
    owner = stage.add(VEGETATION, thing)
    lit = canvas.light.shade(np.array([-np.sign(thing.lateral) * 0.6, 0.5, -0.6]))
    color = _green(rng) * lit
    near, far = max(thing.z, 2.0), thing.z + thing.length
    if far - near < 0.5:
        return
    step = max(thing.height * 0.55, (far - near) / 12, 0.5)
    for z in np.arange(far, near - 0.01, -step):
        foot = stage.screen(thing.lateral + rng.normal(0, 0.12), z)
        scale = canvas.camera.pixels_per_metre(z)
        tall = thing.height * scale * rng.uniform(0.9, 1.15) * 1.25
        wide = thing.height * scale * rng.uniform(1.5, 1.9)
        shape = _crown(int(rng.integers(_BANK)), "bush", bool(rng.random() < 0.5))
        box = (foot[0] - wide / 2, foot[1] - tall, foot[0] + wide / 2, foot[1] + 0.08 * tall)
        canvas.sprite(box, shape, color * rng.uniform(0.9, 1.1), owner)
