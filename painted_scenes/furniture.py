"""Poles, street lamps, traffic lights, signs, bins."""

import numpy as np

from painted_scenes.canvas import Color, ellipse
from painted_scenes.scene import Thing
from painted_scenes.stage import LIGHT, POLE, SIGN, STATIC, Stage

_METALS = (
    (150, 154, 158), (166, 168, 170), (136, 142, 148), (176, 178, 178),
)  # fmt: skip
_FRONT = np.array([0.0, 0.1, -0.995])


def _metal(stage: Stage, rng: np.random.Generator) -> np.ndarray:
    color = rng.choice(_METALS) * rng.uniform(0.85, 1.15)
    return color * stage.canvas.light.shade(_FRONT)


def _bar(stage: Stage, ends: list[tuple[float, float, float]], thick: float, color: Color, owner: int) -> None:
    """A round bar through (lateral, y, z) points, with a dark side; ``thick`` in metres."""
    points = stage.canvas.camera.project(stage.places(ends))
    width = max(thick * stage.canvas.camera.pixels_per_metre(ends[0][2]), 1.6)
    stage.canvas.stroke(points, width, color, owner)
    if width > 3:
        shifted = points + np.array([width * 0.28, 0.0])
        stage.canvas.stroke(shifted, width * 0.4, np.asarray(color) * 0.7, owner)


def paint_pole(stage: Stage, thing: Thing) -> None:
    """A plain pole or a bollard."""
    rng = np.random.default_rng(thing.seed)
    thick = 0.16 if thing.variant == "bollard" else rng.uniform(0.18, 0.32)
    owner = stage.add(POLE, thing)
    foot = (thing.lateral, 0.0, thing.z)
    _bar(stage, [foot, (thing.lateral, thing.height, thing.z)], thick, _metal(stage, rng), owner)


def paint_lamp(stage: Stage, thing: Thing) -> None:
    """A street lamp with an arm over the road."""
    rng = np.random.default_rng(thing.seed)
    color, owner = _metal(stage, rng), stage.add(POLE, thing)
    foot, bend = (thing.lateral, 0.0, thing.z), (thing.lateral, thing.height * 0.94, thing.z)
    tip = (thing.lateral + thing.depth, thing.height, thing.z)
    _bar(stage, [foot, (thing.lateral, 1.2, thing.z)], 0.30, color, owner)
    _bar(stage, [foot, bend], 0.22, color, owner)
    _bar(stage, [bend, tip], 0.10, color, owner)
    head = [tip, (tip[0] + np.sign(thing.depth) * 0.6, tip[1] - 0.03, thing.z)]
    _bar(stage, head, 0.20, np.array([150.0, 150.0, 146.0]) * stage.canvas.light.shade(_FRONT), owner)
    if stage.canvas.light.night > 0:
        middle = stage.screen(head[1][0] - np.sign(thing.depth) * 0.3, thing.z, tip[1] - 0.06)
        scale = stage.canvas.camera.pixels_per_metre(thing.z)
        glow = np.array([255, 206, 140]) * stage.canvas.light.night
        stage.canvas.shine(ellipse(middle, (max(0.3 * scale, 1), max(0.12 * scale, 1))), glow, owner)


def paint_light(stage: Stage, thing: Thing) -> None:
    """Traffic lights at the kerb, and over the road when there is an arm."""
    rng = np.random.default_rng(thing.seed)
    color, pole = _metal(stage, rng), stage.add(POLE, thing)
    top = thing.height if not thing.depth else 5.6
    foot = (thing.lateral, 0.0, thing.z)
    _bar(stage, [foot, (thing.lateral, top, thing.z)], 0.15, color, pole)
    owner = stage.add(LIGHT, thing)
    state = int(rng.integers(3))
    away = rng.random() < 0.15
    _signal_head(stage, (thing.lateral, thing.height, thing.z), (state, away), owner)
    if thing.depth:
        end = thing.lateral + thing.depth
        _bar(stage, [(thing.lateral, 5.5, thing.z), (end, 5.6, thing.z)], 0.11, color, pole)
        _signal_head(stage, (end, 5.9, thing.z), (state, False), owner)


_SIGNALS = ((240, 50, 40), (250, 190, 50), (60, 230, 130))


def _signal_head(stage: Stage, place: tuple[float, float, float], manner: tuple[int, bool], owner: int) -> None:
    """A box with three lamps hanging from (lateral, y, z); lamps face us unless ``away``."""
    lateral, high, z = place
    state, away = manner
    canvas = stage.canvas
    scale = canvas.camera.pixels_per_metre(z)
    middle = stage.screen(lateral, z, high - 0.5)
    half = np.array([max(0.23 * scale, 1.6), max(0.6 * scale, 4.0)])
    rim = half * 1.16
    shape = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    lit = canvas.light.shade(_FRONT)
    canvas.polygon(middle + shape * rim, np.array([236.0, 186.0, 30.0]) * lit, owner)
    canvas.polygon(middle + shape * half * (0.8, 0.9), np.array([22.0, 24.0, 24.0]), owner)
    if away:
        return
    for number, color in enumerate(_SIGNALS):
        lamp = middle + np.array([0.0, (number - 1) * half[1] * 0.62])
        radius = max(half[0] * 0.62, 0.9)
        on = number == state
        canvas.disc(lamp, (radius, radius), color if on else np.array(color) * 0.2, owner)
        if on:
            shine = np.array(color) * max(canvas.light.night, 0.25)
            canvas.shine(ellipse(lamp, (radius, radius)), shine, owner)


_BOARDS = (
    (30, 80, 170), (26, 70, 160), (36, 92, 180),
)  # fmt: skip


def paint_sign(stage: Stage, thing: Thing) -> None:
    """A traffic sign on its post, or a direction board, or a board over the road."""
    rng = np.random.default_rng(thing.seed)
    color, pole = _metal(stage, rng), stage.add(POLE, thing)
    high, reach = thing.height, thing.lateral + thing.depth
    foot = (thing.lateral, 0.0, thing.z)
    _bar(stage, [foot, (thing.lateral, high, thing.z)], 0.14 if not thing.depth else 0.26, color, pole)
    if thing.depth:
        _bar(stage, [(thing.lateral, high, thing.z), (reach, high, thing.z)], 0.16, color, pole)
    owner = stage.add(SIGN, thing)
    if thing.variant in ("board", "gantry"):
        wide = rng.uniform(0.5, 0.9) if thing.variant == "board" else rng.uniform(1.4, 2.4)
        _board(stage, rng, (reach, high, thing.z, wide), owner)
    else:
        _plate(stage, rng, thing, owner)


def _plate(stage: Stage, rng: np.random.Generator, thing: Thing, owner: int) -> None:
    """A round, triangular or square plate; one in six shows its grey back."""
    canvas = stage.canvas
    scale = canvas.camera.pixels_per_metre(thing.z)
    radius = max(rng.uniform(0.42, 0.6) * scale, 2.2)
    middle = stage.screen(thing.lateral, thing.z, thing.height - 0.35)
    lit = canvas.light.shade(_FRONT)
    corners = {"triangle": 3, "square": 4}.get(thing.variant, 16)
    angle = np.arange(corners) * (2 * np.pi / corners) - np.pi / 2
    angle += np.pi / 4 if thing.variant == "square" and rng.random() < 0.7 else 0
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius
    if thing.variant == "triangle" and rng.random() < 0.3:
        outline[:, 1] *= -1
    if rng.random() < 0.16:
        canvas.polygon(middle + outline, np.full(3, 128.0) * lit, owner)
        return
    red, blue, white = np.array([196.0, 34, 36]), np.array([32.0, 76, 160]), np.full(3, 236.0)
    pairs = [(red, white), (blue, blue), (red, blue), (white, blue), (red, red)]
    if thing.variant == "triangle":
        pairs = [(red, white)]
    if thing.variant == "square":
        pairs = [(white, blue), (blue, blue), (white, np.array([232.0, 190, 44]))]
    rim, field = pairs[int(rng.integers(len(pairs)))]
    canvas.polygon(middle + outline, rim * lit, owner)
    canvas.polygon(middle + outline * 0.74, field * lit, owner)
    ink = white if field.mean() < 130 else np.full(3, 36.0)
    mark = np.array([(-0.12, -0.4), (0.12, -0.4), (0.12, 0.35), (-0.12, 0.35)])
    if rng.random() < 0.5:
        mark = mark[:, ::-1]
    canvas.polygon(middle + mark * radius, ink * lit, owner)


def _board(stage: Stage, rng: np.random.Generator, place: tuple[float, float, float, float], owner: int) -> None:
    """A rectangle with lines of writing; ``place`` is lateral, y, z and half width."""
    lateral, high, z, wide = place
    canvas = stage.canvas
    scale = canvas.camera.pixels_per_metre(z)
    tall = wide * rng.uniform(0.4, 0.7)
    middle = stage.screen(lateral, z, high - tall * 0.5)
    lit = canvas.light.shade(_FRONT)
    color = np.array(_BOARDS[int(rng.integers(len(_BOARDS)))], np.float64)
    ink = np.full(3, 238.0) if color.mean() < 130 else np.full(3, 30.0)
    shape = np.array([(-wide, -tall), (wide, -tall), (wide, tall), (-wide, tall)]) * scale
    canvas.polygon(middle + shape, ink * lit, owner)
    canvas.polygon(middle + shape * (0.95, 0.92), color * lit, owner)
    for line in (-0.45, 0.0, 0.45):
        end = rng.uniform(0.2, 0.8)
        text = np.array([(-0.8, line - 0.13), (end, line - 0.13), (end, line + 0.13), (-0.8, line + 0.13)])
        canvas.polygon(middle + text * (wide * scale, tall * scale), ink * lit, owner)


_BINS = ((60, 84, 62), (70, 72, 76), (160, 44, 40), (206, 180, 60), (44, 62, 110))


def paint_bin(stage: Stage, thing: Thing) -> None:
    """Clutter of no class: bins, boxes, letter boxes."""
    rng = np.random.default_rng(thing.seed)
    owner = stage.add(STATIC, thing)
    half = rng.uniform(0.22, 0.4)
    color = np.array(_BINS[int(rng.integers(len(_BINS)))]) * stage.canvas.light.shade(_FRONT)
    low, high = (thing.lateral - half, 0.0), (thing.lateral + half, thing.height)
    rows = [(low[0], high[1], thing.z), (high[0], high[1], thing.z), (high[0], 0.0, thing.z)]
    stage.canvas.face(stage.places([*rows, (low[0], 0.0, thing.z)]), color, owner)
    lid = [(low[0], high[1], thing.z), (high[0], high[1], thing.z)]
    lid += [(high[0], high[1] - 0.15, thing.z), (low[0], high[1] - 0.15, thing.z)]
    stage.canvas.face(stage.places(lid), color * 0.7, owner)
