"""Road, markings, kerbs, pavement and grass, each pixel from its place on the plane.

Shadows included, and the place of each ground pixel for light and for drivable maps.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from painted_scenes.camera import clip_near
from painted_scenes.canvas import Canvas
from painted_scenes.noise import sample_noise
from painted_scenes.scene import Road, Scene, Thing
from painted_scenes.stage import PAVEMENT, ROAD, TERRAIN, Stage

_LABELS = {"road": ROAD, "pavement": PAVEMENT, "terrain": TERRAIN}
_PAVINGS = (
    (176, 160, 146), (168, 150, 140), (182, 166, 150), (172, 148, 136),
)  # fmt: skip
_GRASSES = (
    (132, 150, 62), (146, 156, 74), (154, 152, 80), (122, 146, 60),
)  # fmt: skip
_KERB_WIDTH = 0.22  # metres


@dataclass(frozen=True)
class GroundMap:
    """Where each ground pixel lies.

    Attributes:
        first: the canvas row of the arrays' row 0.
        seen: (rows, W) bool, ground and not sky.
        lateral: (rows, W) float32 metres from the own lane's middle.
        x: (rows, W) float32 world metres.
        z: (rows, W) float32 metres ahead; a large number where not seen.
        owners: canvas object number of road, pavement and terrain.
    """

    first: int
    seen: np.ndarray
    lateral: np.ndarray
    x: np.ndarray
    z: np.ndarray
    owners: dict[str, int]


def paint_ground(stage: Stage, scene: Scene) -> GroundMap:
    """Paint the plane below the horizon, without shadows."""
    ground = _survey(stage, scene.road)
    rng = np.random.default_rng([scene.road.crown, 3])
    kinds = _kinds(ground, scene.road)
    order = ("road", "pavement", "terrain")
    asphalt = rng.uniform(78, 112) * np.array([1.0, rng.uniform(0.97, 1.01), rng.uniform(0.94, 1.03)])
    colors = [asphalt, rng.choice(_PAVINGS) * rng.uniform(0.85, 1.1), rng.choice(_GRASSES) * 1.0]
    table = np.array(colors, np.float32)
    color = table[kinds]
    texture = _texture(ground, kinds, rng)
    color *= texture[..., None]
    _paint_kerbs(ground, scene.road, color, kinds)
    white = _paint_share(ground, scene.road, kinds)
    worn = rng.uniform(0.55, 0.95) * np.clip(0.4 + 0.55 * texture, 0.3, 1)
    for share, tone in zip(white, ((232, 230, 224), (226, 182, 70)), strict=True):
        if share is not None:
            blend = (share * worn)[..., None]
            color += (np.array(tone, np.float32) - color) * blend
    _paint_rails(ground, scene.road, color)
    color *= stage.canvas.light.shade(np.array([0.0, 1.0, 0.0])).astype(np.float32)
    _paint_wet(stage.canvas, ground, color, kinds)
    area = stage.canvas.paint[ground.first :]
    np.copyto(area[..., :3], color.clip(0, 255).astype(np.uint8), where=ground.seen[..., None])
    owners = np.array([ground.owners[name] for name in order], np.uint8)
    np.copyto(area[..., 3], owners[kinds], where=ground.seen)
    return ground


def _survey(stage: Stage, road: Road) -> GroundMap:
    first, x, z = stage.canvas.camera.ground
    seen = np.isfinite(z)
    z = np.where(seen, z, np.float32(1e4))
    lateral = (x - road.centre(np.minimum(z, 400))).astype(np.float32)
    owners = {name: stage.canvas.add(label, 0.0, 20.0) for name, label in _LABELS.items()}
    return GroundMap(first, seen, lateral, x, z, owners)


def _kinds(ground: GroundMap, road: Road) -> np.ndarray:
    """0 road, 1 pavement, 2 terrain, (rows, W) uint8."""
    number = {"road": 0, "pavement": 1, "terrain": 2}
    kinds = np.full(ground.lateral.shape, number[road.strips[0].kind], np.uint8)
    for strip in road.strips[1:]:
        kinds[ground.lateral >= strip.left] = number[strip.kind]
    if road.crossing is not None:
        start, end = road.crossing
        beside = (ground.z > start - 2.5) & (ground.z < end + 2.5)
        kinds[beside & (kinds == 2)] = 1
        kinds[(ground.z > start) & (ground.z < end)] = 0
    return kinds


def _texture(ground: GroundMap, kinds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness factor: grit, patches, wheel tracks and slabs, fading with distance."""
    near = np.clip(14 / ground.z, 0, 1)
    shift = rng.uniform(0, 256)
    grit = sample_noise(ground.z * 22 + shift, ground.lateral * 22, 0.5)
    patches = sample_noise(ground.z * 2.2 + shift, ground.lateral * 7, 1.5)
    amount = np.array([0.045, 0.05, 0.16], np.float32)[kinds]
    factor = 1 + amount * near * grit + np.array([0.06, 0.05, 0.14], np.float32)[kinds] * patches
    tracks = np.cos(ground.lateral * (2 * np.pi / 1.6)) * 0.025
    factor += np.where(kinds == 0, tracks, 0)
    slab = rng.uniform(0.4, 1.2)
    joint = (np.mod(ground.lateral, slab) < 0.05) | (np.mod(ground.z, slab) < 0.06)
    factor -= np.where((kinds == 1) & joint, 0.22 * near * (ground.z < 16), 0)
    return factor.astype(np.float32)


def _paint_kerbs(ground: GroundMap, road: Road, color: np.ndarray, kinds: np.ndarray) -> None:
    """A bright stone edge on the pavement's side, a dark gutter on the road's."""
    for edge, side in ((road.left, -1), (road.right, 1)):
        out = (ground.lateral - edge) * side
        stone = (out > 0) & (out < _KERB_WIDTH) & (kinds != 0)
        gutter = (out > -0.22) & (out <= 0) & (kinds == 0)
        color[stone] = color[stone] * 0.3 + 118
        kinds[stone] = 1
        color[gutter] *= 0.74


def _paint_share(ground: GroundMap, road: Road, kinds: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """How much of each pixel is under white and under yellow paint, 0..1."""
    foot = ground.z / 500 + 1e-3  # metres a pixel covers, roughly; softens edges far away
    shares: list[np.ndarray | None] = [None, None]
    for line in road.markings:
        inside = np.clip((line.width / 2 - np.abs(ground.lateral - line.lateral)) / foot + 0.5, 0, 1)
        if line.dash:
            inside = inside * (np.mod(ground.z, line.dash + line.gap) < line.dash)
        which = int(line.yellow)
        shares[which] = inside if shares[which] is None else np.maximum(shares[which], inside)
    marks = np.zeros_like(ground.z) if shares[0] is None else shares[0]
    if road.crossing is not None:
        open_road = (ground.z > road.crossing[0] - 0.3) & (ground.z < road.crossing[1] + 0.3)
        marks = np.where(open_road, 0, marks)
        if shares[1] is not None:
            shares[1] = np.where(open_road, 0, shares[1])
    if road.zebra is not None:
        stripe = np.mod(ground.lateral, 1.0) < 0.5
        across = (ground.lateral > road.left + 0.3) & (ground.lateral < road.right - 0.3)
        band = (ground.z > road.zebra[0]) & (ground.z < road.zebra[1])
        marks = np.where(band & across, stripe * 1.0, marks)
        stop = (ground.z > road.zebra[0] - 1.6) & (ground.z < road.zebra[0] - 1.2)
        right_way = (ground.lateral < road.right - 0.3) & (
            ground.lateral > min(lane.middle - lane.width / 2 for lane in road.lanes if lane.direction > 0)
        )
        marks = np.where(stop & right_way, 1.0, marks)
    marks = marks * (kinds == 0)
    return marks.astype(np.float32), shares[1]


def _paint_rails(ground: GroundMap, road: Road, color: np.ndarray) -> None:
    foot = ground.z / 600 + 1e-3
    for middle in road.rails:
        bed = np.abs(ground.lateral - middle) < 1.35
        color[bed] = color[bed] * 0.8 + 22
        for rail in (middle - 0.72, middle + 0.72):
            share = np.clip((0.05 - np.abs(ground.lateral - rail)) / foot + 0.5, 0, 1)[..., None]
            color += (np.array([70, 66, 64], np.float32) - color) * share


def _paint_wet(canvas: Canvas, ground: GroundMap, color: np.ndarray, kinds: np.ndarray) -> None:
    """A wet road mirrors the low sky, the more the flatter it is seen."""
    wet = canvas.light.wet
    if wet > 0:
        mirror = np.clip(ground.z / 40, 0.05, 0.5) * wet * (kinds == 0)
        target = canvas.light.sky_low.astype(np.float32)
        color += (target - color) * mirror[..., None]


def paint_details(stage: Stage, scene: Scene, ground: GroundMap) -> None:
    """Patches of newer asphalt, manhole covers and arrows on the road."""
    rng = np.random.default_rng([scene.road.crown, 4])
    canvas, road, owner = stage.canvas, scene.road, ground.owners["road"]
    lit = canvas.light.shade(np.array([0.0, 1.0, 0.0]))
    for _ in range(int(rng.poisson(1.6))):
        z, wide = rng.uniform(4, 25), rng.uniform(0.8, 2.2)
        lateral = rng.uniform(road.left + wide, max(road.right - wide, road.left + wide + 0.1))
        long, tone = rng.uniform(1, 7), rng.uniform(52, 84)
        _ground_quad(stage, (lateral, wide, z, long), lit * tone, owner)
    for _ in range(int(rng.poisson(0.9))):
        z, lateral = rng.uniform(5, 22), rng.uniform(road.left + 0.5, road.right - 0.5)
        angle = np.arange(14) * (2 * np.pi / 14)
        ring = [(lateral + 0.32 * np.cos(a), 0.0, z + 0.32 * np.sin(a)) for a in angle]
        canvas.polygon(canvas.camera.project(stage.places(ring)), lit * 58, owner)
    if road.crossing is not None and rng.random() < 0.6:
        _paint_arrow(stage, road.crossing[0] - rng.uniform(9, 13), lit * 214, owner)


def _ground_quad(stage: Stage, place: tuple[float, float, float, float], color: np.ndarray, owner: int) -> None:
    lateral, wide, z, long = place
    corners = [(lateral, 0, z), (lateral, 0, z + long), (lateral + wide, 0, z + long)]
    corners.append((lateral + wide, 0, z))
    stage.canvas.face(stage.places(corners), color, owner)


def _paint_arrow(stage: Stage, z: float, color: np.ndarray, owner: int) -> None:
    if z < 4:
        return
    _ground_quad(stage, (-0.08, 0.16, z, 2.4), color, owner)
    head = [(-0.4, 0.0, z + 2.4), (0.4, 0.0, z + 2.4), (0.0, 0.0, z + 4.2)]
    stage.canvas.face(stage.places(head), color, owner)


def paint_shadows(stage: Stage, scene: Scene, ground: GroundMap) -> None:
    """Darken the ground under and beside things."""
    canvas, light = stage.canvas, stage.canvas.light
    cast = np.zeros(canvas.camera.size, np.uint8)
    contact = np.zeros(canvas.camera.size, np.uint8)
    for thing in scene.things:
        if thing.z > _SHADOWS_UP_TO:
            continue
        outline, height = _footprint(stage, thing)
        if outline is None:
            continue
        if thing.kind in _CONTACT:
            _fill_ground(canvas, contact, outline, 255)
        if light.shadow > 0.05 and light.night < 0.5:
            reach = -light.sun_direction / max(light.sun_direction[1], 0.2) * height
            shifted = outline + np.array([reach[0], 0, reach[2]])
            both = np.concatenate([outline, shifted])[:, [0, 2]].astype(np.float32)
            hull = cv2.convexHull(both)[:, 0]
            points = np.stack([hull[:, 0], np.zeros(len(hull)), hull[:, 1]], axis=1)
            _fill_ground(canvas, cast, points, 255)
    dark = (1 - light.shadow / 255 * _soft(cast[ground.first :], 1.0)) * (
        1 - 0.55 / 255 * _soft(contact[ground.first :], 3.0)
    )
    dark[~ground.seen] = 1.0
    area = canvas.paint[ground.first :]
    factor = np.rint(dark * 255).astype(np.uint8)
    keep = np.full_like(factor, 255)
    area[:] = cv2.multiply(area, cv2.merge([factor, factor, factor, keep]), scale=1 / 255)


_SHADOWS_UP_TO = 50.0  # metres
_CONTACT = {"car", "bus", "truck", "train", "rider", "motorcycle", "parked-motorcycle"}
_FOOT = {"car": (1.8, 1.3), "bus": (2.5, 3.0), "truck": (2.4, 3.0), "train": (2.5, 3.4)}


def _footprint(stage: Stage, thing: Thing) -> tuple[np.ndarray | None, float]:
    """Ground outline (n, 3) and height in metres of what casts a shadow."""
    if thing.kind in ("building", "wall", "hedge"):
        near, far = max(thing.z, 0.0), thing.z + thing.length
        deep = thing.depth if thing.kind == "building" else np.sign(thing.lateral) * 0.5
        outer = thing.lateral + deep
        rows = [(thing.lateral, 0, near), (thing.lateral, 0, far), (outer, 0, far), (outer, 0, near)]
        return stage.places(rows), thing.height
    wide, tall = _FOOT.get(thing.kind, (0.5, thing.height or 1.6))
    long = thing.length if thing.kind in _FOOT else 0.5
    if thing.kind == "tree":
        wide = long = thing.height * 0.3
    heading = thing.heading + stage.road.slope(thing.z)
    along = np.array([np.sin(heading), 0, np.cos(heading)]) * long / 2
    across = np.array([np.cos(heading), 0, -np.sin(heading)]) * wide / 2
    middle = stage.place(thing.lateral, thing.z + (thing.length / 2 if long > 2 else 0))
    if thing.variant == "crossing":
        middle = stage.place(thing.lateral, thing.z + 1.0)
    ring = [middle + along + across, middle + along - across, middle - along - across]
    return np.array([*ring, middle - along + across]), tall


def _fill_ground(canvas: Canvas, mask: np.ndarray, outline: np.ndarray, value: int) -> None:
    corners = clip_near(outline)
    if len(corners) >= 3:
        points = np.clip(canvas.camera.project(corners), -8000, 8000)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], value)


def _soft(mask: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(mask, (0, 0), sigma).astype(np.float32)
