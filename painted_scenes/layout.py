"""The road, its lanes, and the bands of ground beside it, by a random generator."""

from itertools import pairwise

import numpy as np

from painted_scenes.scene import Lane, Marking, Road, Strip, View

PARKING_WIDTH = 2.2  # metres

# Per style: chance of a grass verge at the kerb, and of a green band behind the pavement.
_GREEN = {"city": (0.12, 0.08), "residential": (0.35, 0.6), "park": (0.5, 0.85), "suburb": (0.55, 0.7)}


def sample_view(rng: np.random.Generator) -> View:
    """Draw how the camera is mounted."""
    return View(
        focal=rng.uniform(0.82, 1.12),
        horizon=rng.uniform(0.40, 0.53),
        roll=rng.normal(0, 0.006),
        height=rng.uniform(1.25, 1.65),
        bonnet=rng.uniform(0.03, 0.10) if rng.random() < 0.22 else 0.0,
        mirrored=bool(rng.random() < 0.35),
    )


def sample_road(rng: np.random.Generator, style: str, tram: bool) -> Road:
    """Draw a carriageway of one to six lanes and the bands beside it.

    Args:
        style: "city", "residential", "park" or "suburb".
    """
    width = rng.uniform(2.8, 3.5)
    lanes, left, right = _lanes(rng, width, tram)
    parking = {side: rng.random() < (0.2 if style == "suburb" else 0.55) for side in (-1, 1)}
    markings = _markings(rng, lanes, (left, right), parking)
    left -= PARKING_WIDTH * parking[-1]
    right += PARKING_WIDTH * parking[1]
    outward = {side: _bands(rng, style) for side in (-1, 1)}
    start = rng.uniform(13, 30)
    crossing = (start, start + rng.uniform(7, 13)) if rng.random() < 0.42 else None
    zebra = _zebra(rng, crossing)
    bend = rng.random() < 0.35
    return Road(
        heading=rng.normal(0, 0.03),
        curvature=rng.normal(0, 0.0022) if bend else rng.normal(0, 0.0004),
        camera_lateral=rng.normal(0, 0.25),
        left=left,
        right=right,
        lanes=lanes,
        strips=_strips(left, right, outward),
        markings=markings,
        rails=tuple(lane.middle for lane in lanes if lane.direction == 0),
        crossing=crossing,
        zebra=zebra,
        crown=int(rng.integers(2**31)),
    )


def _lanes(rng: np.random.Generator, width: float, tram: bool) -> tuple[tuple[Lane, ...], float, float]:
    """Lanes with the own one first, and the edges of all of them."""
    forward = int(rng.choice([1, 2, 3], p=[0.45, 0.40, 0.15]))
    against = int(rng.choice([0, 1, 2], p=[0.15, 0.60, 0.25]))
    own = int(rng.integers(forward))  # counted from the right
    lanes = [Lane((own - k) * width, width, 1) for k in range(forward)]
    lanes.insert(0, lanes.pop(own))
    left = (own - forward + 0.5) * width
    if tram:
        lanes.append(Lane(left - 1.75, 3.5, 0))
        left -= 3.5
    for _ in range(against):
        lanes.append(Lane(left - width / 2, width, -1))
        left -= width
    return tuple(lanes), left, (own + 0.5) * width


def _markings(
    rng: np.random.Generator, lanes: tuple[Lane, ...], edges: tuple[float, float], parking: dict[int, bool]
) -> tuple[Marking, ...]:
    """Lines between the lanes, along the middle and at the edges."""
    if len(lanes) <= 2 and rng.random() < 0.25:
        return ()  # a small street without paint
    dash, gap, line = rng.uniform(2, 5), rng.uniform(3, 8), rng.uniform(0.11, 0.17)
    yellow = bool(rng.random() < 0.3)
    found = []
    ordered = sorted(lanes, key=lambda lane: lane.middle)
    for near, far in pairwise(ordered):
        border = near.middle + near.width / 2
        if near.direction == far.direction:
            found.append(Marking(border, line, dash, gap))
        elif rng.random() < 0.5:
            found.append(Marking(border, line, yellow=yellow))
            found.append(Marking(border + 0.28, line, yellow=yellow))
        else:
            found.append(Marking(border, line, 0 if rng.random() < 0.4 else dash, gap, yellow))
    for edge, side in zip(edges, (-1, 1), strict=True):
        if parking[side] or rng.random() < 0.5:
            dashed = bool(rng.random() < 0.4)
            found.append(Marking(edge - side * 0.25, line, 1.0 if dashed else 0.0, 1.0))
    return tuple(found)


def _bands(rng: np.random.Generator, style: str) -> list[tuple[str, float]]:
    """Bands from the kerb outwards; the last one has no end."""
    verge, garden = _GREEN[style]
    bands = []
    if rng.random() < verge:
        bands.append(("terrain", rng.uniform(0.8, 2.5)))
    if style != "suburb" or rng.random() < 0.6:
        bands.append(("pavement", rng.uniform(1.8, 4.5)))
    if rng.random() < garden:
        bands.append(("terrain", rng.uniform(1.0, 7.0)))
    beyond = "pavement" if style == "city" or (rng.random() < 0.2) else "terrain"
    if not bands:
        bands.append(("terrain", rng.uniform(1.0, 3.0)))
    bands.append((beyond, 500.0))
    return bands


def _strips(left: float, right: float, outward: dict[int, list[tuple[str, float]]]) -> tuple[Strip, ...]:
    strips = [Strip("road", left, right)]
    for side in (-1, 1):
        edge = left if side < 0 else right
        for kind, width in outward[side]:
            far = edge + side * width
            strips.append(Strip(kind, min(edge, far), max(edge, far)))
            edge = far
    return tuple(sorted(strips, key=lambda strip: strip.left))


def _zebra(rng: np.random.Generator, crossing: tuple[float, float] | None) -> tuple[float, float] | None:
    """Stripes for pedestrians before a cross street, or in the middle of the block."""
    depth = rng.uniform(2.5, 4.0)
    if crossing is not None:
        start = crossing[0] - depth - rng.uniform(1.0, 2.5)
        return (start, start + depth) if rng.random() < 0.6 else None
    if rng.random() < 0.15:
        start = rng.uniform(7, 22)
        return (start, start + depth)
    return None
