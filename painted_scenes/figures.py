"""People, riders, bicycles and motorcycles, made of limbs; (forward, up, right) in metres."""

import numpy as np

from painted_scenes.canvas import Color
from painted_scenes.scene import Thing
from painted_scenes.solid import limbs, spokes
from painted_scenes.stage import BICYCLE, MOTORCYCLE, PERSON, RIDER, Stage

_SKINS = ((224, 180, 150), (196, 148, 116), (150, 104, 78), (102, 70, 54), (232, 196, 170))
_HAIRS = ((40, 32, 28), (70, 52, 38), (120, 92, 60), (170, 150, 120), (90, 88, 86))
_TOPS = (
    (196, 60, 120), (170, 50, 110), (60, 40, 90), (120, 50, 110), (90, 60, 130), (210, 90, 140),
)  # fmt: skip
_TROUSERS = ((36, 40, 54), (30, 30, 32), (64, 74, 98), (110, 100, 84), (80, 78, 76), (56, 50, 46))
_VESTS = ((214, 236, 40), (232, 220, 40), (196, 226, 50))  # riders want to be seen
_HELMETS = ((220, 220, 220), (40, 40, 44), (190, 40, 40), (60, 90, 160), (210, 190, 60))
_FRAMES = (
    (30, 150, 150), (40, 130, 140), (20, 120, 120),
)  # fmt: skip
_SHOE = (34, 30, 28)

Stroke = tuple[list[tuple[float, float, float]], float, Color]


def _pick(rng: np.random.Generator, table: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    return np.array(table[int(rng.integers(len(table)))]) * rng.uniform(0.8, 1.15)


def paint_person(stage: Stage, thing: Thing) -> None:
    """A walking or standing person, sometimes in a long coat or with a bag."""
    rng = np.random.default_rng(thing.seed)
    tall = thing.height
    stride = rng.uniform(0.05, 0.34) * tall / 1.75
    swing = stride * 0.8
    top, trousers = _pick(rng, _TOPS), _pick(rng, _TROUSERS)
    skin, hair = _pick(rng, _SKINS), _pick(rng, _HAIRS)
    hip, shoulder, head = 0.52 * tall, 0.81 * tall, 0.925 * tall
    wide = 0.105 * tall
    strokes: list[Stroke] = []
    for side, step in ((-1, stride), (1, -stride)):
        knee = (step * 0.55 + 0.03, 0.28 * tall, side * 0.05 * tall)
        foot = (step, 0.05, side * 0.055 * tall)
        strokes.append(([(0, hip, side * 0.05 * tall), knee, foot], 0.085 * tall, trousers * (0.9 + 0.1 * side)))
        strokes.append(([foot, (step + 0.13, 0.04, foot[2])], 0.05 * tall, _SHOE))
    arms = []
    for side, step in ((-1, -swing), (1, swing)):
        elbow = (step * 0.4, 0.63 * tall, side * (wide + 0.03))
        hand = (step + 0.05, 0.50 * tall, side * (wide + 0.035))
        arms.append(([(0, shoulder - 0.03, side * wide), elbow, hand], 0.058 * tall, top * 0.86))
        arms.append(([hand, (hand[0], hand[1] - 0.05, hand[2])], 0.045 * tall, skin))
    hem = 0.36 * tall if rng.random() < 0.25 else hip
    torso: list[Stroke] = [
        ([(0, hem, 0), (0, shoulder - 0.06, 0)], 0.15 * tall, top),
        ([(0, hem, -0.045 * tall), (0, shoulder - 0.05, -0.055 * tall)], 0.12 * tall, top),
        ([(0, hem, 0.045 * tall), (0, shoulder - 0.05, 0.055 * tall)], 0.12 * tall, top * 0.9),
    ]
    neck: list[Stroke] = [
        ([(0, shoulder, 0), (0, head, 0)], 0.055 * tall, skin * 0.85),
        ([(0.01, head - 0.01, 0), (0.01, head + 0.015, 0)], 0.105 * tall, skin),
        ([(-0.02, head + 0.02, 0), (0.0, head + 0.035, 0)], 0.108 * tall, hair),
    ]
    if rng.random() < 0.3:
        bag = [(-0.14, 0.72 * tall, 0), (-0.14, 0.6 * tall, 0)]
        torso.append((bag, 0.16 * tall, _pick(rng, _TOPS)))
    frame = (stage.place(thing.lateral, thing.z), thing.heading + stage.road.slope(thing.z))
    owner = stage.add(PERSON, thing, countable=True)
    limbs(stage, frame, [*strokes, *arms[:2], *torso, *arms[2:], *neck], owner)


def _two_wheeler_frame(stage: Stage, thing: Thing) -> tuple[np.ndarray, float]:
    slope = 0.0 if thing.variant == "crossing" else stage.road.slope(thing.z)
    return stage.place(thing.lateral, max(thing.z, 1.2)), thing.heading + slope


def paint_bicycle(stage: Stage, thing: Thing) -> None:
    """A parked bicycle."""
    rng = np.random.default_rng(thing.seed)
    owner = stage.add(BICYCLE, thing, countable=True)
    _bicycle(stage, _two_wheeler_frame(stage, thing), rng, owner)


def _bicycle(stage: Stage, frame: tuple[np.ndarray, float], rng: np.random.Generator, owner: int) -> None:
    color = _pick(rng, _FRAMES)
    spokes(stage, frame, ((-0.52, 0.34), (0.52, 0.34)), (0.055, 0.40), owner)
    bars: list[Stroke] = [
        ([(-0.52, 0.34, 0), (-0.05, 0.30, 0), (0.36, 0.78, 0), (-0.18, 0.80, 0), (-0.05, 0.30, 0)], 0.055, color),
        ([(-0.52, 0.34, 0), (-0.18, 0.80, 0), (-0.21, 0.94, 0)], 0.05, color),
        ([(0.52, 0.34, 0), (0.36, 0.80, 0), (0.33, 1.02, 0)], 0.05, color),
        ([(0.33, 1.02, -0.27), (0.37, 1.03, 0), (0.33, 1.02, 0.27)], 0.045, (40, 40, 42)),
        ([(-0.30, 0.95, 0), (-0.10, 0.96, 0)], 0.075, (30, 28, 28)),
    ]
    if rng.random() < 0.4:
        bars.append(([(-0.72, 0.74, 0), (-0.3, 0.74, 0)], 0.06, (60, 60, 62)))
    limbs(stage, frame, bars, owner)


def paint_rider(stage: Stage, thing: Thing) -> None:
    """Somebody on a bicycle."""
    rng = np.random.default_rng(thing.seed)
    frame = _two_wheeler_frame(stage, thing)
    _bicycle(stage, frame, rng, stage.add(BICYCLE, thing, countable=True))
    top, trousers, skin = _pick(rng, _VESTS), _pick(rng, _TROUSERS), _pick(rng, _SKINS)
    turn = rng.uniform(0, 2 * np.pi)
    strokes: list[Stroke] = []
    for side, phase in ((-1, 0.0), (1, np.pi)):
        pedal = (-0.05 + 0.17 * np.cos(turn + phase), 0.30 + 0.17 * np.sin(turn + phase), side * 0.1)
        knee = (0.16 + 0.1 * np.cos(turn + phase), 0.72 + 0.09 * np.sin(turn + phase), side * 0.12)
        strokes.append(([(-0.2, 1.0, side * 0.09), knee, pedal], 0.135, trousers * (0.92 + 0.08 * side)))
        strokes.append(([pedal, (pedal[0] + 0.12, pedal[1], pedal[2])], 0.08, _SHOE))
    lean = rng.uniform(0.05, 0.28)
    _rider_top(rng, strokes, (lean - 0.05, 1.5), (0.33, 1.04), (top, skin))
    limbs(stage, frame, strokes, stage.add(RIDER, thing, countable=True))


def _rider_top(
    rng: np.random.Generator,
    strokes: list[Stroke],
    shoulder: tuple[float, float],
    grip: tuple[float, float],
    colors: tuple[np.ndarray, np.ndarray],
) -> None:
    """Torso, arms and head of somebody who sits at (-0.2, 1.0) and holds handlebars."""
    top, skin = colors
    x, y = shoulder
    strokes.append(([(-0.2, 1.0, -0.06), (x - 0.02, y - 0.07, -0.09)], 0.22, top))
    strokes.append(([(-0.2, 1.0, 0.06), (x - 0.02, y - 0.07, 0.09)], 0.22, top * 0.9))
    for side in (-1, 1):
        elbow = ((x + grip[0]) / 2, (y + grip[1]) / 2 - 0.1, side * 0.27)
        arm = [(x, y - 0.05, side * 0.19), elbow, (grip[0], grip[1], side * 0.25)]
        strokes.append((arm, 0.095, top * (0.84 + 0.06 * side)))
    strokes.append(([(x, y, 0), (x + 0.06, y + 0.14, 0)], 0.1, skin * 0.85))
    strokes.append(([(x + 0.07, y + 0.17, 0), (x + 0.07, y + 0.2, 0)], 0.19, skin))
    cover = _pick(rng, _HELMETS if rng.random() < 0.6 else _HAIRS)
    strokes.append(([(x + 0.04, y + 0.23, 0), (x + 0.08, y + 0.25, 0)], 0.2, cover))


def paint_motorcycle(stage: Stage, thing: Thing) -> None:
    """A motorcycle, with its rider unless it is parked."""
    rng = np.random.default_rng(thing.seed)
    frame = _two_wheeler_frame(stage, thing)
    owner = stage.add(MOTORCYCLE, thing, countable=True)
    paint = _pick(rng, ((40, 150, 60), (50, 170, 70), (36, 130, 56)))
    scooter = rng.random() < 0.35
    radius = 0.24 if scooter else 0.32
    spokes(stage, frame, ((-0.66, radius), (0.66, radius)), (0.15, 0.85), owner)
    parts: list[Stroke] = [
        ([(-0.62, 0.42, 0), (-0.1, 0.38, 0), (0.25, 0.45, 0)], 0.30, (54, 54, 58)),
        ([(-0.75, 0.80, 0), (-0.15, 0.74, 0)], 0.20, (30, 28, 28)),
        ([(-0.15, 0.66, 0), (0.28, 0.84, 0)], 0.34, paint),
        ([(0.66, radius, 0), (0.46, 0.95, 0)], 0.12, (120, 120, 124)),
        ([(0.40, 1.05, -0.34), (0.48, 1.02, 0), (0.40, 1.05, 0.34)], 0.07, (36, 36, 38)),
        ([(0.56, 0.86, 0), (0.54, 0.98, 0)], 0.22, paint * 0.9),
        ([(-0.60, 0.30, 0.17), (-0.05, 0.30, 0.17)], 0.10, (150, 150, 154)),
        ([(-0.86, 0.74, -0.03), (-0.86, 0.74, 0.03)], 0.12, (170, 24, 22)),
    ]
    if scooter:
        parts.append(([(0.3, 0.35, 0), (0.48, 0.9, 0)], 0.34, paint))
        parts.append(([(-0.75, 0.5, 0), (-0.25, 0.5, 0)], 0.36, paint))
    limbs(stage, frame, parts, owner)
    if thing.kind == "parked-motorcycle":
        return
    top, trousers = _pick(rng, _VESTS), _pick(rng, _TROUSERS)
    strokes: list[Stroke] = []
    for side in (-1, 1):
        leg = [(-0.28, 0.92, side * 0.12), (0.16, 0.72, side * 0.2), (-0.08, 0.34, side * 0.19)]
        strokes.append((leg, 0.17, trousers * (0.92 + 0.06 * side)))
    _rider_top(rng, strokes, (0.02, 1.46), (0.40, 1.06), (top, _pick(rng, _HELMETS)))
    limbs(stage, frame, strokes, stage.add(RIDER, thing, countable=True))
