"""One scene, one style, one size -> picture and label maps.

Everything is painted at twice the size; the picture is averaged down, labels take the majority of
each 2 x 2 block. Labels do not depend on the style.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from painted_scenes.backdrop import paint_horizon, paint_sky
from painted_scenes.buildings import paint_building, paint_fence, paint_wall
from painted_scenes.camera import Camera
from painted_scenes.canvas import Canvas
from painted_scenes.cars import paint_car
from painted_scenes.develop import expose, record
from painted_scenes.figures import paint_bicycle, paint_motorcycle, paint_person, paint_rider
from painted_scenes.furniture import paint_bin, paint_lamp, paint_light, paint_pole, paint_sign
from painted_scenes.ground import GroundMap, paint_details, paint_ground, paint_shadows
from painted_scenes.placement import sample_scene
from painted_scenes.scene import SPLITS, Scene, Thing
from painted_scenes.stage import EGO, ROAD, Stage
from painted_scenes.styles import STYLES, sample_style
from painted_scenes.vegetation import paint_hedge, paint_tree
from painted_scenes.vehicles import paint_bus, paint_train, paint_truck

SUPERSAMPLING = 2

PAINTERS: dict[str, Callable[[Stage, Thing], None]] = {
    "building": paint_building,
    "wall": paint_wall,
    "fence": paint_fence,
    "hedge": paint_hedge,
    "tree": paint_tree,
    "lamp": paint_lamp,
    "light": paint_light,
    "sign": paint_sign,
    "pole": paint_pole,
    "bin": paint_bin,
    "person": paint_person,
    "rider": paint_rider,
    "bicycle": paint_bicycle,
    "motorcycle": paint_motorcycle,
    "parked-motorcycle": paint_motorcycle,
    "car": paint_car,
    "truck": paint_truck,
    "bus": paint_bus,
    "train": paint_train,
}
_BLOCKING = {"car", "truck", "bus", "train", "rider", "motorcycle", "parked-motorcycle"}


@dataclass(frozen=True)
class Frame:
    """A picture with its truths, all (H, W).

    Attributes:
        image: (H, W, 3) uint8 RGB.
        label_ids: uint8 Cityscapes label ids.
        instance_ids: uint16, label id * 1000 + number for things that can be counted, else the
            label id, as in Cityscapes' instanceIds files.
        drivable: uint8, 0 background, 1 own lane, 2 other lanes of this direction.
        weather: of the style.
    """

    image: np.ndarray
    label_ids: np.ndarray
    instance_ids: np.ndarray
    drivable: np.ndarray
    weather: str


def render_frame(seed: int, style: str, split: str, index: int, size: tuple[int, int]) -> Frame:
    """Render frame ``index`` of a split at (H, W), by a data set's seed: a pure function.

    Args:
        style: "game" or "camera".
        split: "train", "val", "test", or those with "bdd-" before them.
    """
    scene = sample_scene(seed, split, index)
    rng = np.random.default_rng([seed, SPLITS[split], index, 1 + STYLES.index(style)])
    chosen = sample_style(style, rng)
    view = scene.view
    rows, columns = (SUPERSAMPLING * side for side in size)
    camera = Camera(
        size=(rows, columns),
        focal=view.focal * columns,
        height=view.height,
        horizon=view.horizon * rows,
        roll=view.roll,
    )
    canvas = Canvas(camera, chosen.light)
    ground = _paint(Stage(canvas, scene.road), scene)
    owners = _majority(canvas.paint[..., 3])
    color = expose(canvas, scene, ground, chosen, owners)
    label_ids, instance_ids = _truths(canvas, owners)
    drivable = _majority(_drivable(canvas, scene, ground))
    drivable[label_ids != ROAD] = 0
    arrays = [color, label_ids, instance_ids, drivable]
    if view.mirrored:
        arrays = [np.ascontiguousarray(array[:, ::-1]) for array in arrays]
    image = record(arrays[0], chosen.lens, rng)
    return Frame(image, arrays[1], arrays[2], arrays[3], chosen.weather)


def _paint(stage: Stage, scene: Scene) -> GroundMap:
    """Paint everything, from the sky to the camera car's bonnet."""
    paint_sky(stage, scene.seed)
    paint_horizon(stage, scene)
    ground = paint_ground(stage, scene)
    paint_details(stage, scene, ground)
    paint_shadows(stage, scene, ground)
    for thing in scene.things:
        if _is_in_view(stage, thing):
            PAINTERS[thing.kind](stage, thing)
    if scene.view.bonnet:
        _paint_bonnet(stage, scene)
    return ground


def _is_in_view(stage: Stage, thing: Thing) -> bool:
    """Whether a thing may reach into the picture from the left or the right."""
    reach = max(0.6 * thing.height, thing.length if thing.variant == "crossing" else 2.0)
    inner, outer = sorted((thing.lateral, thing.lateral + thing.depth))
    rows = [(inner - reach, 0.0, z) for z in (max(thing.z, 1.0), thing.z + thing.length + 2.0)]
    rows += [(outer + reach, 0.0, z) for _, _, z in rows]
    across = stage.canvas.camera.project(stage.places(rows))[:, 0]
    return bool(across.max() > 0 and across.min() < stage.canvas.camera.size[1])


def _paint_bonnet(stage: Stage, scene: Scene) -> None:
    """The camera's own car at the lower edge."""
    canvas = stage.canvas
    rows, columns = canvas.camera.size
    owner = canvas.add(EGO, 0.0, 1.0)
    rng = np.random.default_rng([scene.seed, 5])
    across = np.linspace(-0.05, 1.05, 24)
    arch = rows * (1 - scene.view.bonnet * (1 - (2 * across - 1) ** 4 * 0.8))
    color = rng.choice([30.0, 60.0, 120.0]) * canvas.light.shade(np.array([0.0, 0.9, -0.4]))
    for share, tone in ((0.0, 1.0), (0.35, 0.75), (0.7, 0.55)):
        top = arch + (rows - arch) * share
        edge = np.stack([across * columns, top], axis=1)
        corners = np.array([(columns * 1.05, rows * 1.1), (-columns * 0.05, rows * 1.1)])
        canvas.polygon(np.concatenate([edge, corners]), color * tone, owner)


def _majority(values: np.ndarray) -> np.ndarray:
    """Most frequent value of each 2 x 2 block, (H, W) -> (H / 2, W / 2); ties go to the first."""
    a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
    out = np.where((b == c) | (b == d), b, a)
    out = np.where((c == d) & (a != b), c, out)
    return np.where((a == b) | (a == c) | (a == d), a, out)


def _truths(canvas: Canvas, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and instance ids of each pixel from its owner's number."""
    labels = np.zeros(256, np.uint8)
    instances = np.zeros(256, np.uint16)
    counts: dict[int, int] = {}
    for number, thing in enumerate(canvas.objects):
        labels[number] = instances[number] = thing.label_id
        if thing.countable:
            count = counts.get(thing.label_id, 0)
            counts[thing.label_id] = count + 1
            instances[number] = thing.label_id * 1000 + count
    return labels[owners], instances[owners]


def _drivable(canvas: Canvas, scene: Scene, ground: GroundMap) -> np.ndarray:
    """Lanes of the camera's direction up to the first vehicle in each, at the canvas size."""
    drivable = np.zeros(canvas.camera.size, np.uint8)
    area = drivable[ground.first :]
    on_road = (canvas.paint[ground.first :, :, 3] == ground.owners["road"]) & ground.seen
    for lane in scene.road.lanes:
        if lane.direction <= 0:
            continue
        ahead = [t.z for t in scene.things if t.kind in _BLOCKING
                 and abs(t.lateral - lane.middle) < lane.width / 2]  # fmt: skip
        inside = (np.abs(ground.lateral - lane.middle) < lane.width / 2) & on_road
        inside &= ground.z < min(ahead, default=200.0) + 0.5
        area[inside] = 1 if lane is scene.road.lanes[0] else 2
    return drivable
