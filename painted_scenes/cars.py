"""Cars: six shapes as solids with windows, lamps and wheels; metres, forward from the middle."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from painted_scenes.scene import Thing
from painted_scenes.solid import Solid
from painted_scenes.stage import CAR, Stage

_CAR_PAINTS = (
    (214, 216, 218), (168, 172, 176), (112, 116, 122), (40, 42, 46), (24, 26, 30), (34, 58, 112),
    (60, 84, 122), (232, 232, 230), (90, 92, 96), (196, 200, 204), (46, 66, 104), (130, 30, 34),
)  # fmt: skip
GLASS = np.array([46.0, 52.0, 60.0])
_COAT = np.array([0.0, 0.0, 0.0, 1.0])  # of the car, whatever it is
BLACK = np.array([26.0, 26.0, 28.0])
LAMP = (255, 246, 220)
TAIL = (255, 40, 28)


@dataclass(frozen=True)
class CarShape:
    """Proportions of a car; along it as shares of the length from its middle, heights in metres.

    Attributes:
        roof: back and front end of the roof.
        base: back and front end of the cabin's foot.
        bonnet: height at the windscreen and at the nose.
        tail: height of the body's back.
        top: height of the roof.
        half: half width.
    """

    roof: tuple[float, float]
    base: tuple[float, float]
    bonnet: tuple[float, float]
    tail: float
    top: float
    half: float


_SHAPES = {
    "hatchback": CarShape((-0.36, 0.06), (-0.47, 0.24), (0.96, 0.74), 0.94, 1.47, 0.86),
    "sedan": CarShape((-0.20, 0.05), (-0.36, 0.20), (0.92, 0.72), 0.96, 1.43, 0.89),
    "estate": CarShape((-0.41, 0.05), (-0.48, 0.21), (0.94, 0.74), 0.94, 1.47, 0.89),
    "suv": CarShape((-0.40, 0.06), (-0.48, 0.20), (1.10, 0.92), 1.05, 1.74, 0.94),
    "van": CarShape((-0.48, 0.20), (-0.49, 0.36), (1.12, 0.94), 1.00, 1.95, 0.95),
    "pickup": CarShape((-0.08, 0.10), (-0.12, 0.22), (1.08, 0.92), 1.00, 1.76, 0.94),
}


def vehicle_frame(stage: Stage, thing: Thing) -> tuple[np.ndarray, float]:
    """World place of the middle and heading of a vehicle."""
    if thing.variant == "crossing":
        return stage.place(thing.lateral, thing.z + 1.0), thing.heading
    middle = thing.z + thing.length / 2
    return stage.place(thing.lateral, middle), thing.heading + stage.road.slope(middle)


def paint_car(stage: Stage, thing: Thing) -> None:
    """A car of one of six shapes."""
    rng = np.random.default_rng(thing.seed)
    name = thing.variant if thing.variant in _SHAPES else str(rng.choice(list(_SHAPES)))
    coat = rng.choice(_CAR_PAINTS) * rng.uniform(0.85, 1.1)
    solid = _car(name, round(thing.length, 1), fine=thing.z < 38)
    place, heading = vehicle_frame(stage, thing)
    owner = stage.add(CAR, thing, countable=True)
    solid.paint(stage, place, heading, owner, coat)


@lru_cache(maxsize=256)
def _car(name: str, long: float, fine: bool) -> Solid:
    """A car of a shape and a length in metres; not ``fine`` leaves out what is too small."""
    shape, solid = _SHAPES[name], Solid()
    _car_body(solid, shape, long, fine)
    _car_cabin(solid, shape, long)
    _car_ends(solid, shape, long)
    return solid


def _car_body(solid: Solid, shape: CarShape, long: float, fine: bool) -> None:
    paint = _COAT
    half, (scuttle, nose) = shape.half, shape.bonnet
    dark = paint * 0.62
    profile = [
        (-0.48 * long, 0.24), (0.47 * long, 0.22), (0.5 * long, 0.42), (0.495 * long, nose - 0.08),
        (0.45 * long, nose), (shape.base[1] * long, scuttle), (shape.base[0] * long, shape.tail),
        (-0.485 * long, shape.tail - 0.04), (-0.5 * long, 0.52),
    ]  # fmt: skip
    tops = [BLACK, BLACK, paint * 0.9, paint, paint * 1.12, paint, paint * 1.1, paint, dark]
    solid.prism(profile, [half] * len(profile), [*tops, paint])
    solid.side_box((-0.46 * long, 0.46 * long, 0.22, 0.40), half, dark * 0.75)
    for door in (-0.13, 0.10) if fine else ():
        solid.side_box((door * long - 0.015, door * long + 0.015, 0.42, 0.88), half, dark)
    waist = shape.tail - 0.17
    solid.side_box((-0.44 * long, 0.42 * long, waist, waist + 0.07), half, paint * 1.2)
    for axle in (-0.31, 0.31):
        if fine:
            angle = np.arange(12) * (2 * np.pi / 12)
            rim = np.stack([axle * long + 0.40 * np.cos(angle), 0.31 + 0.40 * np.sin(angle)], 1)
            solid.side_patch(np.maximum(rim, (-np.inf, 0.2)).tolist(), (half, half), BLACK * 0.8)
        solid.wheel(axle * long, 0.32, half + 0.02, fine)


def _car_cabin(solid: Solid, shape: CarShape, long: float) -> None:
    paint = _COAT
    low, high = shape.half * 0.95, shape.half * 0.74
    (roof_back, roof_front), (base_back, base_front) = shape.roof, shape.base
    foot = shape.tail - 0.03
    profile = [
        (base_back * long, foot), (base_front * long, shape.bonnet[0] - 0.03),
        (roof_front * long, shape.top - 0.03), ((roof_front - 0.1) * long, shape.top),
        ((roof_back + 0.05) * long, shape.top), (roof_back * long, shape.top - 0.05),
    ]  # fmt: skip
    widths = [low, low, high, high, high, high]
    glass = GLASS * 1.25
    solid.prism(profile, widths, [BLACK, glass, paint * 1.05, paint * 1.1, paint, GLASS, paint])
    sill, lintel = foot + 0.06, shape.top - 0.12
    slant_back = base_back + (roof_back - base_back) * 0.3
    slant_front = base_front + (roof_front - base_front) * 0.25
    panes = [(slant_back + 0.04, roof_back + 0.07, -0.06), (-0.04, -0.04, 0.0)]
    back = [(panes[0][0] * long, sill), (-0.14 * long, sill), (-0.14 * long, lintel)]
    front = [(-0.11 * long, sill), ((slant_front - 0.04) * long, sill)]
    front += [((roof_front - 0.02) * long, lintel), (-0.11 * long, lintel)]
    solid.side_patch([*back, (panes[0][1] * long, lintel)], (low, high * 1.03), GLASS)
    if roof_front > -0.08:
        solid.side_patch(front, (low, high * 1.03), GLASS * 1.1)


def _car_ends(solid: Solid, shape: CarShape, long: float) -> None:
    """Lamps, plates, bumpers, grille; the windows of the tail and the front are the cabin's."""
    paint = _COAT
    half = shape.half
    tail, nose = -0.5 * long, 0.5 * long
    solid.end_box(tail, (-half, half, 0.26, 0.46), paint * 0.42)
    for side in (-1, 1):
        inner, outer = sorted((side * half * 0.97, side * half * 0.68))
        solid.end_box(tail, (inner, outer, 0.62, shape.tail - 0.1), (176, 26, 24), TAIL)
        inner, outer = sorted((side * half * 0.95, side * half * 0.58))
        solid.end_box(nose, (inner, outer, 0.52, shape.bonnet[1] - 0.1), (232, 232, 226), LAMP)
    solid.end_box(tail, (-0.26, 0.26, 0.56, 0.68), (222, 220, 206))
    solid.end_box(nose, (-0.5 * half, 0.5 * half, 0.5, 0.62), BLACK)
    solid.end_box(nose, (-half, half, 0.26, 0.40), paint * 0.45)
    solid.end_box(nose, (-0.25, 0.25, 0.40, 0.50), (226, 226, 218))
