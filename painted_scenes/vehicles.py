"""Trucks, buses and trams as solids with windows, lamps and wheels; metres from the middle."""

import numpy as np

from painted_scenes.cars import BLACK, GLASS, LAMP, TAIL, vehicle_frame
from painted_scenes.scene import Thing
from painted_scenes.solid import Solid
from painted_scenes.stage import BUS, TRAIN, TRUCK, Stage

_LORRY_PAINTS = (
    (232, 124, 36), (226, 112, 30), (238, 140, 50), (222, 222, 218), (214, 104, 40),
)  # fmt: skip


def paint_truck(stage: Stage, thing: Thing) -> None:
    """A cab and a load: box, tank-like or open."""
    rng = np.random.default_rng(thing.seed)
    long, half, top = thing.length, rng.uniform(1.1, 1.25), rng.uniform(2.7, 3.7)
    cab_color = rng.choice(_LORRY_PAINTS) * rng.uniform(0.85, 1.05)
    load_color = rng.choice(_LORRY_PAINTS) * rng.uniform(0.8, 1.05)
    cab_back, cab_top = 0.5 * long - 2.0, min(rng.uniform(2.3, 2.9), top)
    solid = Solid()
    _slab(solid, (-0.5 * long, 0.5 * long, 0.55, 0.95), half * 0.8, np.full(3, 44.0))
    for axle in (-0.36, -0.24, 0.36) if long > 8 else (-0.3, 0.33):
        solid.wheel(axle * long, 0.48, half)
    profile = [
        (cab_back, 0.7), (0.5 * long, 0.5), (0.5 * long, 1.3), (0.485 * long, cab_top - 0.1),
        (0.47 * long, cab_top), (cab_back, cab_top),
    ]  # fmt: skip
    solid.prism(
        profile,
        [half * 0.96] * 6,
        [BLACK, cab_color, cab_color, cab_color * 1.1, cab_color * 1.1, cab_color * 0.8, cab_color],
    )
    solid.side_box((cab_back + 0.5, 0.475 * long, 1.45, cab_top - 0.4), half * 0.96, GLASS)
    solid.end_box(0.495 * long, (-half * 0.86, half * 0.86, 1.45, cab_top - 0.3), GLASS * 1.2)
    solid.end_box(0.5 * long, (-half * 0.7, half * 0.7, 0.7, 1.1), BLACK)
    opened = rng.random() < 0.18
    roof = 1.7 if opened else top
    _slab(solid, (-0.5 * long, cab_back - 0.25, 0.95, roof), half, load_color)
    stripe = rng.choice(_LORRY_PAINTS) * 1.0
    if not opened and rng.random() < 0.6:
        solid.side_box((-0.42 * long, cab_back - 1.0, 1.5, 1.5 + 0.35 * top), half, stripe)
    tail = -0.5 * long
    if not opened:
        solid.end_box(tail, (-half * 0.94, half * 0.94, 1.05, roof - 0.12), load_color * 0.84)
        solid.end_box(tail, (-0.03, 0.03, 1.05, roof - 0.12), load_color * 0.4)
    _lamps(solid, long, half, 0.72)
    place, heading = vehicle_frame(stage, thing)
    solid.paint(stage, place, heading, stage.add(TRUCK, thing, countable=True))


def _slab(solid: Solid, box: tuple[float, float, float, float], half: float, color: np.ndarray) -> None:
    back, front, low, high = box
    profile = [(back, low), (front, low), (front, high), (back, high)]
    solid.prism(profile, [half] * 4, [BLACK, color, color * 1.1, color, color])


def _lamps(solid: Solid, long: float, half: float, height: float) -> None:
    for side in (-1, 1):
        inner, outer = sorted((side * half * 0.95, side * half * 0.72))
        box = (inner, outer, height, height + 0.24)
        solid.end_box(-0.5 * long, box, (176, 26, 24), TAIL)
        solid.end_box(0.5 * long, box, (232, 232, 226), LAMP)


_BUS_PAINTS = (
    (206, 44, 38), (196, 36, 34), (214, 56, 40), (188, 40, 44),
)  # fmt: skip


def paint_bus(stage: Stage, thing: Thing) -> None:
    """A city bus: low floor, long window band, a destination sign in lights."""
    rng = np.random.default_rng(thing.seed)
    long, half, top = thing.length, 1.25, rng.uniform(2.9, 3.3)
    color = rng.choice(_BUS_PAINTS) * rng.uniform(0.85, 1.05)
    second = rng.choice(_BUS_PAINTS) * 0.95
    solid = Solid()
    profile = [
        (-0.5 * long, 0.3), (0.5 * long, 0.3), (0.5 * long, 1.1), (0.49 * long, top - 0.1),
        (0.48 * long, top), (-0.49 * long, top), (-0.5 * long, top - 0.15),
    ]  # fmt: skip
    solid.prism(profile, [half] * 7, [BLACK, color, color, color, color * 1.1, color, color * 0.92, color])
    if rng.random() < 0.6:
        solid.side_box((-0.5 * long, 0.5 * long, 0.32, 0.85), half, second)
    inside = (230, 226, 200)
    _window_band(solid, (long, half), (1.25, top - 0.55), rng.uniform(1.3, 1.8))
    for door in (0.40, -0.02):
        solid.side_box((door * long - 0.55, door * long + 0.55, 0.4, top - 0.55), half + 0.005, GLASS * 0.9)
    for axle in (-0.28, 0.27):
        solid.wheel(axle * long, 0.48, half)
    solid.end_box(0.5 * long, (-half * 0.92, half * 0.92, 1.05, top - 0.5), GLASS * 1.2)
    solid.end_box(0.5 * long, (-half * 0.6, half * 0.6, top - 0.42, top - 0.14), BLACK)
    solid.end_box(0.5 * long, (-half * 0.4, half * 0.4, top - 0.36, top - 0.2), (240, 170, 40), (255, 180, 60))
    solid.end_box(-0.5 * long, (-half * 0.8, half * 0.8, 1.7, top - 0.4), GLASS, inside)
    solid.end_box(-0.5 * long, (-half * 0.75, half * 0.75, 0.55, 1.2), color * 0.6)
    _lamps(solid, long, half, 0.8)
    place, heading = vehicle_frame(stage, thing)
    solid.paint(stage, place, heading, stage.add(BUS, thing, countable=True))


def _window_band(solid: Solid, body: tuple[float, float], level: tuple[float, float], step: float) -> None:
    """Panes along both sides; ``body`` is length and half width."""
    long, half = body
    x = -0.48 * long
    while x < 0.46 * long:
        end = min(x + step, 0.47 * long)
        solid.side_box((x + 0.06, end - 0.06, *level), half, GLASS * 1.05)
        x = end


_TRAM_PAINTS = (
    (232, 200, 44), (226, 196, 50), (236, 210, 70),
)  # fmt: skip


def paint_train(stage: Stage, thing: Thing) -> None:
    """A tram of two or three cars, skirted to the rails, with a pantograph."""
    rng = np.random.default_rng(thing.seed)
    long, half, top = thing.length, 1.22, rng.uniform(3.2, 3.5)
    color = rng.choice(_TRAM_PAINTS) * rng.uniform(0.85, 1.05)
    pale = np.array([222.0, 220.0, 212.0])
    solid = Solid()
    profile = [
        (-0.48 * long, 0.2), (0.48 * long, 0.2), (0.5 * long, 0.9), (0.495 * long, 1.5),
        (0.47 * long, top - 0.1), (0.46 * long, top), (-0.46 * long, top),
        (-0.47 * long, top - 0.1), (-0.495 * long, 1.5), (-0.5 * long, 0.9),
    ]  # fmt: skip
    roof = np.full(3, 120.0)
    faces = [BLACK, color * 0.8, color, GLASS * 1.2, pale, roof, pale, GLASS * 1.2, color, color * 0.8]
    solid.prism(profile, [half] * 10, [*faces, color])
    solid.side_box((-0.47 * long, 0.47 * long, 1.15, top - 0.15), half, pale)
    solid.side_box((-0.48 * long, 0.48 * long, 0.2, 0.38), half, BLACK)
    _window_band(solid, (long * 0.96, half + 0.01), (1.35, top - 0.6), 1.6)
    cars = 3 if long > 22 else 2
    for joint in range(1, cars):
        x = -0.5 * long + joint * long / cars
        solid.side_box((x - 0.3, x + 0.3, 0.3, top - 0.05), half + 0.02, BLACK * 1.6)
        solid.side_box((x + 1.2, x + 2.4, 0.4, top - 0.5), half + 0.02, GLASS)
    for place in (-0.5 * long, 0.5 * long):
        solid.end_box(place * 0.985, (-0.7, 0.7, top - 0.5, top - 0.2), (220, 160, 50), (255, 170, 60))
    _lamps(solid, long, half * 0.9, 0.62)
    place, heading = vehicle_frame(stage, thing)
    owner = stage.add(TRAIN, thing, countable=True)
    solid.paint(stage, place, heading, owner)
