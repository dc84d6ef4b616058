"""Buildings, walls, fences, green, poles, lights, signs and people beside the road."""

import numpy as np

from painted_scenes.scene import VISIBLE_DEPTH, Road, Thing

# Per style: what fills a stretch beside the road, with its share.
_ZONES = {
    "city": {"building": 0.78, "wall": 0.07, "fence": 0.08, "green": 0.07},
    "residential": {"house": 0.44, "building": 0.14, "wall": 0.13, "fence": 0.14, "green": 0.15},
    "park": {"green": 0.46, "fence": 0.18, "wall": 0.16, "building": 0.08, "house": 0.12},
    "suburb": {"green": 0.40, "fence": 0.20, "wall": 0.14, "building": 0.12, "house": 0.14},
}
_TREE_CHANCE = {"city": 0.45, "residential": 0.6, "park": 0.95, "suburb": 0.7}
_PEOPLE = {"city": 9.0, "residential": 6.0, "park": 5.0, "suburb": 4.0}


class Side:
    """One side of the road: the bands' edges and a list to put things into."""

    def __init__(self, rng: np.random.Generator, road: Road, sign: int) -> None:
        self.rng = rng
        self.road = road
        self.sign = sign
        self.things: list[Thing] = []
        bands = [strip for strip in road.strips if strip.kind != "road"]
        if sign < 0:
            bands = [strip for strip in bands if strip.right <= road.left + 1e-6][::-1]
            self.kerb = road.left
            self.front = bands[-1].right
        else:
            bands = [strip for strip in bands if strip.left >= road.right - 1e-6]
            self.kerb = road.right
            self.front = bands[-1].left
        pavement = [strip for strip in bands if strip.kind == "pavement"]
        chosen = pavement[0] if pavement else bands[0]
        inner, outer = sorted((abs(chosen.left), abs(chosen.right)))
        self.walk = (inner, min(outer, inner + 4.5))  # distances to the side

    def add(self, kind: str, lateral: float, z: float, **more: float | str) -> None:
        """Put a thing at a place; ``order`` is its distance unless given."""
        fields = {"order": z, "seed": int(self.rng.integers(2**31)), **more}
        self.things.append(Thing(kind=kind, lateral=lateral, z=z, **fields))

    def in_crossing(self, z: float, margin: float = 1.0) -> bool:
        """Whether the cross street is at this distance."""
        gap = self.road.crossing
        return gap is not None and gap[0] - margin < z < gap[1] + margin

    def on_walk(self) -> float:
        """A lateral position somewhere on the pavement."""
        return self.sign * self.rng.uniform(self.walk[0] + 0.4, max(self.walk[1] - 0.4, 1.0))


def place_roadside(
    rng: np.random.Generator, road: Road, style: str
) -> tuple[list[Thing], tuple[tuple[float, float, float], ...]]:
    """Fill both sides of the road -> things in no order; lamps as (lateral, height, distance)."""
    things: list[Thing] = []
    lamps: list[tuple[float, float, float]] = []
    for sign in (-1, 1):
        side = Side(rng, road, sign)
        _place_zones(side, style)
        if rng.random() < _TREE_CHANCE[style]:
            _place_tree_row(side)
        lamps += _place_lamps(side)
        _place_signs(side)
        _place_people(side, style)
        _place_clutter(side)
        things += side.things
    return things, tuple(lamps)


def _place_zones(side: Side, style: str) -> None:
    """Stretches of building, wall, fence or green, one after the other into the distance."""
    rng, shares = side.rng, _ZONES[style]
    z = rng.uniform(-6, 1)
    # One near stretch of wall or fence often, since both are rare in streets.
    wanted = {"wall": rng.random() < 0.42, "fence": rng.random() < 0.42}
    while z < VISIBLE_DEPTH:
        kind = str(rng.choice(list(shares), p=list(shares.values())))
        for rare in ("wall", "fence"):
            if wanted[rare] and 1 < z < 22:
                kind, wanted[rare] = rare, False
        length = rng.uniform(8, 20) if kind != "house" else rng.uniform(8, 13)
        gap = side.road.crossing
        if gap is not None and z < gap[1] + 2 and z + length > gap[0] - 2:
            if gap[0] - 2 - z > 5:
                length = gap[0] - 2 - z
            else:
                z = gap[1] + 2
                continue
        _fill_zone(side, kind, z, length)
        z += length + (rng.uniform(1.5, 6) if kind == "house" else rng.uniform(0, 0.6))


def _fill_zone(side: Side, kind: str, z: float, length: float) -> None:
    rng, far = side.rng, z + length
    front = side.front + side.sign * rng.uniform(0, 0.5)
    if kind in ("building", "house"):
        low, high = (6, 10) if kind == "house" else (8, 24)
        back = side.sign * (rng.uniform(2, 6) if kind == "house" else rng.uniform(0, 0.6))
        depth = side.sign * rng.uniform(8, 16)
        height = rng.uniform(low, high)
        side.add("building", front + back, z, order=far + 0.2, length=length, height=height, depth=depth, variant=kind)
        if kind == "house" and rng.random() < 0.7:
            border = str(rng.choice(["hedge", "wall", "fence"], p=[0.5, 0.25, 0.25]))
            side.add(border, front, z, order=far, length=length, height=rng.uniform(0.8, 1.5))
        return
    if kind in ("wall", "fence"):
        height = rng.uniform(2.0, 3.6) if kind == "wall" else rng.uniform(1.5, 2.7)
        side.add(kind, front, z, order=far, length=length, height=height)
        if rng.random() < 0.35:
            side.add(
                "building",
                front + side.sign * rng.uniform(3, 9),
                z,
                order=far + 0.3,
                length=length,
                height=rng.uniform(6, 15),
                depth=side.sign * 10.0,
                variant="building",
            )
    elif rng.random() < 0.6:
        height = rng.uniform(0.7, 2.6)
        side.add("hedge", front + side.sign * 0.5, z, order=far, length=length, height=height)
    for _ in range(int(rng.integers(1, 5)) if kind == "green" else int(rng.integers(0, 3))):
        place = z + rng.uniform(0, length)
        lateral = front + side.sign * rng.uniform(1.5, 9)
        side.add("tree", lateral, max(place, 4.0), order=far + 0.1, height=rng.uniform(5, 14))


def _place_tree_row(side: Side) -> None:
    rng = side.rng
    step, z = rng.uniform(7, 16), rng.uniform(4, 14)
    height = rng.uniform(4.5, 10)
    lateral = side.kerb + side.sign * rng.uniform(0.8, 1.6)
    while z < VISIBLE_DEPTH:
        if not side.in_crossing(z, 3.0):
            side.add("tree", lateral, z, height=height * rng.uniform(0.8, 1.2), variant="row")
        z += step * rng.uniform(0.85, 1.2)


def _place_lamps(side: Side) -> list[tuple[float, float, float]]:
    """A row of street lamps, or none; returns (lateral, height, distance) of what shines."""
    rng = side.rng
    if rng.random() < 0.25:
        return []
    step, z, height = rng.uniform(16, 30), rng.uniform(6, 20), rng.uniform(5.5, 9.5)
    lateral, lamps = side.kerb + side.sign * 0.7, []
    while z < VISIBLE_DEPTH:
        if not side.in_crossing(z):
            side.add("lamp", lateral, z, height=height, depth=-side.sign * 1.6)
            lamps.append((lateral - side.sign * 1.6, height, z))
        z += step
    return lamps


def _place_signs(side: Side) -> None:
    """Signs at any distance, traffic lights before cross streets and zebras."""
    rng, road = side.rng, side.road
    lateral = side.kerb + side.sign * rng.uniform(0.4, 0.8)
    for _ in range(int(rng.poisson(1.7))):
        z = rng.uniform(4.5, 15)
        if not side.in_crossing(z):
            kind = str(rng.choice(["round", "triangle", "square", "board"], p=[0.4, 0.22, 0.2, 0.18]))
            side.add("sign", lateral, z, height=rng.uniform(2.2, 3.2), variant=kind)
    if rng.random() < 0.10:
        side.add("sign", lateral, rng.uniform(12, 35), height=5.5, depth=-side.sign * 4.0, variant="gantry")
    stop = road.crossing[0] - 1 if road.crossing else (road.zebra[1] if road.zebra else None)
    if stop is None and rng.random() < 0.35:
        stop = rng.uniform(7, 16)
    if stop is not None and rng.random() < 0.85:
        arm = -side.sign * rng.uniform(3, 6) if rng.random() < 0.35 else 0.0
        side.add("light", lateral, stop, height=rng.uniform(2.7, 3.6), depth=arm)
        if road.crossing and rng.random() < 0.6:
            side.add("light", lateral, road.crossing[1] + 1, height=3.4)
    for _ in range(int(rng.poisson(0.7))):
        z = rng.uniform(5, 40)
        if not side.in_crossing(z):
            height = rng.uniform(1.0, 8.0)
            side.add("pole", lateral + side.sign * rng.uniform(0, 0.8), z, height=height)


def _place_people(side: Side, style: str) -> None:
    rng, road = side.rng, side.road
    for _ in range(int(rng.poisson(_PEOPLE[style] / 2))):
        z = rng.uniform(4.2, 11) if rng.random() < 0.7 else rng.uniform(12, 45)
        turn = float(rng.choice([0, np.pi])) + rng.normal(0, 0.4)
        lateral = side.on_walk()
        for member in range(int(rng.choice([1, 2, 3], p=[0.65, 0.27, 0.08]))):
            place = lateral + 0.6 * member * side.sign
            side.add("person", place, z + rng.uniform(-0.4, 0.4), heading=turn, height=_stature(rng))
    if road.zebra is not None and side.sign > 0 and rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 4))):
            place = rng.uniform(road.left, road.right)
            turn = float(rng.choice([-1, 1])) * np.pi / 2
            z = rng.uniform(*road.zebra)
            if z > 7:
                side.add("person", place, z, heading=turn, height=_stature(rng))


def _place_clutter(side: Side) -> None:
    """Parked bicycles and motorcycles, bins, bollards, bushes."""
    rng = side.rng
    if rng.random() < 0.42:
        z, turn = rng.uniform(4, 9), rng.uniform(0.6, 2.4)
        lateral = side.sign * (side.walk[0] + rng.uniform(0.6, 1.5))
        for number in range(int(rng.integers(1, 5))):
            side.add("bicycle", lateral, z + 0.7 * number, heading=turn)
    if rng.random() < 0.12:
        lateral = side.sign * (side.walk[0] + 0.7)
        side.add("parked-motorcycle", lateral, rng.uniform(5, 11), heading=rng.uniform(0, 3))
    for _ in range(int(rng.poisson(0.6))):
        side.add("bin", side.on_walk(), rng.uniform(5, 30), height=rng.uniform(0.8, 1.3))
    if rng.random() < 0.2:
        z, step = rng.uniform(4, 10), rng.uniform(1.5, 3)
        for number in range(int(rng.integers(3, 8))):
            side.add("pole", side.kerb + side.sign * 0.35, z + step * number, height=0.95, variant="bollard")


def _stature(rng: np.random.Generator) -> float:
    """Height of a person in metres; one in eight is a child."""
    return rng.uniform(1.05, 1.4) if rng.random() < 0.12 else rng.uniform(1.58, 1.9)
