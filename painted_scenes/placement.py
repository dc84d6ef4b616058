"""What stands beside and on the road.

Rare classes are placed far more often than streets have them, so that a short training meets all
of them.
"""

import numpy as np

from painted_scenes.layout import PARKING_WIDTH, sample_road, sample_view
from painted_scenes.roadside import place_roadside
from painted_scenes.scene import VISIBLE_DEPTH, Lane, Road, Scene, Thing, scene_rng

THING_LIMIT = 170  # nearest ones kept; few need two of the canvas's object numbers

_STYLES = {"city": 0.42, "residential": 0.28, "park": 0.14, "suburb": 0.16}
_RARE = {"bus": 0.45, "truck": 0.45, "rider": 0.55, "motorcycle": 0.55}
_TRAM_SHARE = 0.40
_CAR_SHAPES = ("hatchback", "sedan", "estate", "suv", "van", "pickup")
_CAR_SHARES = (0.28, 0.26, 0.16, 0.16, 0.10, 0.04)


class Traffic:
    """Vehicles placed so far, and where there is room for one more.

    Attributes:
        taken: (lateral middle, start, end) of the stretches in use, metres.
    """

    def __init__(self, rng: np.random.Generator, road: Road) -> None:
        self.rng = rng
        self.road = road
        self.things: list[Thing] = []
        self.taken: list[tuple[float, float, float]] = []

    def is_free(self, lateral: float, start: float, end: float) -> bool:
        """Whether nothing stands within 2 m to either side on this stretch."""
        return all(
            abs(lateral - other) > 2.0 or end + 0.8 < first or start - 0.8 > last for other, first, last in self.taken
        )

    def place(self, kind: str, lateral: float, z: float, length: float, turn: float = 0.0) -> bool:
        """Place a vehicle of ``length`` metres with its near end at ``z``, if there is room."""
        if not self.is_free(lateral, z, z + length):
            return False
        self.taken.append((lateral, z, z + length))
        variant = str(self.rng.choice(_CAR_SHAPES, p=_CAR_SHARES)) if kind == "car" else ""
        heading = turn + float(self.rng.normal(0, 0.015))
        thing = Thing(kind, lateral, z, z, heading, length, variant=variant, seed=_seed(self.rng))
        self.things.append(thing)
        return True


def sample_scene(seed: int, split: str, index: int) -> Scene:
    """Draw the scene ``index`` of ``split``: a pure function of its arguments."""
    rng = scene_rng(seed, split, index)
    style = str(rng.choice(list(_STYLES), p=list(_STYLES.values())))
    tram = bool(rng.random() < _TRAM_SHARE)
    road = sample_road(rng, style, tram)
    traffic = Traffic(rng, road)
    _place_rare(traffic, tram)
    _place_moving(traffic)
    _place_parked(traffic)
    _place_crossing(traffic)
    beside, lamps = place_roadside(rng, road, style)
    things = sorted([*traffic.things, *beside], key=lambda thing: -thing.order)
    return Scene(
        style=style,
        view=sample_view(rng),
        road=road,
        things=tuple(things[-THING_LIMIT:]),
        seed=_seed(rng),
        backdrop="skyline" if style == "city" else "trees",
        lamps=lamps,
    )


def _place_rare(traffic: Traffic, tram: bool) -> None:
    """Big and rare vehicles first, close enough to be learned from."""
    rng, road = traffic.rng, traffic.road
    if tram:
        track = next(lane for lane in road.lanes if lane.direction == 0)
        length = rng.uniform(16, 30)
        traffic.place("train", track.middle, rng.uniform(5, 24), length, _turn(rng, track))
    for kind, length in (("bus", rng.uniform(9, 12.5)), ("truck", rng.uniform(6, 11))):
        if rng.random() < _RARE[kind]:
            _place_in_lane(traffic, kind, length, (6, 18))
    for kind in ("rider", "motorcycle"):
        if rng.random() < _RARE[kind]:
            for _ in range(int(rng.integers(1, 3))):
                _place_two_wheeler(traffic, kind)


def _place_in_lane(traffic: Traffic, kind: str, length: float, span: tuple[float, float]) -> None:
    """In any lane; the own one only beyond a braking distance."""
    rng = traffic.rng
    for _ in range(6):
        lane = traffic.road.lanes[int(rng.integers(len(traffic.road.lanes)))]
        z = rng.uniform(*span) + (5.0 if lane is traffic.road.lanes[0] else 0.0)
        if lane.direction == 0:
            continue
        if traffic.place(kind, lane.middle, z, length, _turn(rng, lane)):
            return


def _place_two_wheeler(traffic: Traffic, kind: str) -> None:
    """Riders at the kerb, in a lane, or crossing."""
    rng, road = traffic.rng, traffic.road
    z = rng.uniform(4.5, 10)
    way = rng.random()
    if way < 0.25:
        lateral = rng.uniform(road.left + 1, road.right - 1)
        turn = float(rng.choice([-1, 1])) * np.pi / 2 + rng.normal(0, 0.2)
        traffic.place(kind, lateral, z + 3, 1.0, turn)
    elif way < 0.65:
        traffic.place(kind, road.right - rng.uniform(0.4, 1.2), z, 2.0, rng.normal(0, 0.1))
    else:
        lane = road.lanes[int(rng.integers(len(road.lanes)))]
        lateral = lane.middle + rng.uniform(-1.0, 1.0)
        traffic.place(kind, lateral, z + 2, 2.0, _turn(rng, lane))


def _place_moving(traffic: Traffic) -> None:
    rng = traffic.rng
    crowd = rng.uniform(0.1, 0.7)
    for lane in traffic.road.lanes:
        if lane.direction == 0:
            continue
        z = rng.uniform(7, 14) if lane is traffic.road.lanes[0] else rng.uniform(3.5, 10)
        while z < 85:
            length = rng.uniform(3.7, 4.8)
            if rng.random() < crowd:
                lateral = lane.middle + rng.normal(0, 0.15)
                traffic.place("car", lateral, z, length, _turn(rng, lane))
            z += length + rng.uniform(3, 12) + 0.15 * z


def _place_parked(traffic: Traffic) -> None:
    rng, road = traffic.rng, traffic.road
    lanes_left = min(lane.middle - lane.width / 2 for lane in road.lanes)
    lanes_right = max(lane.middle + lane.width / 2 for lane in road.lanes)
    for side, edge, inner in ((-1, road.left, lanes_left), (1, road.right, lanes_right)):
        if abs(edge - inner) < PARKING_WIDTH / 2:
            continue
        fill, z = rng.uniform(0.35, 0.95), rng.uniform(2.5, 7)
        while z < 75:
            kind = str(rng.choice(["car", "truck", "parked-motorcycle"], p=[0.88, 0.04, 0.08]))
            length = {"car": rng.uniform(3.7, 4.8), "truck": rng.uniform(5.5, 7.5)}.get(kind, 2.0)
            clear = road.crossing is None or z + length < road.crossing[0] or z > road.crossing[1]
            if rng.random() < fill and clear:
                turn = 0.0 if side > 0 or rng.random() < 0.5 else np.pi
                traffic.place(kind, edge - side * 1.1, z, length, turn)
            z += length + rng.uniform(0.7, 1.6)


def _place_crossing(traffic: Traffic) -> None:
    """Vehicles that cross from the side street, seen from their side."""
    rng, road = traffic.rng, traffic.road
    if road.crossing is None:
        return
    for _ in range(int(rng.integers(0, 4))):
        kind = str(rng.choice(["car", "bus", "truck", "rider"], p=[0.62, 0.13, 0.13, 0.12]))
        z = rng.uniform(road.crossing[0] + 1, road.crossing[1] - 2.5)
        lateral = rng.uniform(road.left - 14, road.right + 14)
        turn = np.pi / 2 if z < sum(road.crossing) / 2 else -np.pi / 2
        length = {"car": 4.3, "bus": 11.0, "truck": 8.0}.get(kind, 1.8)
        reach = np.linspace(lateral - length / 2, lateral + length / 2, 5)
        if z < VISIBLE_DEPTH and all(traffic.is_free(place, z, z + 2.2) for place in reach):
            thing = Thing(kind, lateral, z, z, turn, length, variant="crossing", seed=_seed(rng))
            traffic.things.append(thing)
            traffic.taken.extend((place, z, z + 2.2) for place in reach)


def _turn(rng: np.random.Generator, lane: Lane) -> float:
    if lane.direction == 0:
        return 0.0 if rng.random() < 0.5 else np.pi
    return 0.0 if lane.direction > 0 else np.pi


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
