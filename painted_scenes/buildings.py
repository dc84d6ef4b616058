"""Buildings, walls, fences and hedges: long things beside the road, painted in perspective."""

import numpy as np

from painted_scenes.camera import NEAR
from painted_scenes.facade import Facade, Style, paint_facade, sample_style
from painted_scenes.noise import noise_patch
from painted_scenes.scene import Thing
from painted_scenes.stage import BUILDING, FENCE, WALL, Stage

_FINEST = 22.0  # pixels per metre of the largest wall pictures on a canvas 512 columns wide
_ROOFS = ((112, 62, 48), (92, 70, 62), (70, 70, 76), (128, 78, 58), (84, 84, 86), (60, 56, 58))


def paint_building(stage: Stage, thing: Thing) -> None:
    """A block: the wall towards the camera, the wall along the road, a roof."""
    rng = np.random.default_rng(thing.seed)
    style = sample_style(rng, thing.variant)
    owner = stage.add(BUILDING, thing)
    near, far = max(thing.z, NEAR + 0.3), thing.z + thing.length
    if far - near < 0.5:
        return
    pitched = thing.height * rng.uniform(0.22, 0.4) if _is_pitched(thing, rng) else 0.0
    side = 1.0 if thing.depth > 0 else -1.0
    if thing.z > NEAR + 0.3:
        _paint_end(stage, thing, rng, (style, owner, pitched))
    scale = _scale(stage, near)
    facade = paint_facade(rng, style, (thing.height, far - near), scale)
    rows = [(thing.lateral, thing.height, near), (thing.lateral, thing.height, far)]
    rows += [(thing.lateral, 0.0, far), (thing.lateral, 0.0, near)]
    _paint_wall(stage, stage.places(rows), facade, (np.array([-side, 0.0, 0.0]), owner, side))
    if pitched:
        _paint_roof(stage, thing, rng.choice(_ROOFS) * rng.uniform(0.8, 1.2), (owner, pitched))


def _is_pitched(thing: Thing, rng: np.random.Generator) -> bool:
    return bool(rng.random() < (0.9 if thing.variant == "house" else 0.35))


def _scale(stage: Stage, z: float) -> float:
    """Pixels per metre for a wall picture first seen at distance ``z``."""
    camera = stage.canvas.camera
    finest = _FINEST * camera.size[1] / 512
    return float(np.clip(camera.pixels_per_metre(z + 2.0), 3.0, finest))


def _paint_wall(stage: Stage, corners: np.ndarray, facade: Facade, manner: tuple[np.ndarray, int, float]) -> None:
    """Corners (4, 3): top near, top far, bottom far, bottom near; picture runs away from us."""
    normal, owner, side = manner
    canvas = stage.canvas
    # Seen from the road, a wall on the left runs rightwards into the distance.
    image, lit = (facade.image, facade.lit)
    shaded = (image * canvas.light.shade(normal)).clip(0, 255).astype(np.uint8)
    projected = canvas.camera.project(corners)
    if side > 0:
        projected = projected[[1, 0, 3, 2]]
    canvas.texture(projected, shaded, owner)
    if canvas.light.night > 0:
        canvas.shine_texture(projected, (lit * canvas.light.night).astype(np.uint8), owner)


def _paint_end(stage: Stage, thing: Thing, rng: np.random.Generator, manner: tuple[Style, int, float]) -> None:
    """The wall that faces the camera, with its gable."""
    style, owner, pitched = manner
    deep, z = abs(thing.depth), thing.z
    plain = rng.random() < (0.4 if thing.variant == "house" else 0.8)  # party walls are bare
    size = (thing.height, 0.5 if plain else deep)
    facade = paint_facade(rng, style, size, _scale(stage, z))
    inner, outer = thing.lateral, thing.lateral + thing.depth
    normal = np.array([0.0, 0.0, -1.0])
    left, right = min(inner, outer), max(inner, outer)
    rows = [(left, thing.height, z), (right, thing.height, z), (right, 0.0, z), (left, 0.0, z)]
    _paint_wall(stage, stage.places(rows), facade, (normal, owner, -1.0))
    if pitched:
        ridge = (inner + outer) / 2
        gable = [(left, thing.height, z), (ridge, thing.height + pitched, z), (right, thing.height, z)]
        color = style.color * 0.95 * stage.canvas.light.shade(normal)
        stage.canvas.face(stage.places(gable), color, owner)


def _paint_roof(stage: Stage, thing: Thing, color: np.ndarray, manner: tuple[int, float]) -> None:
    """The slope towards the road, in rows of tiles."""
    owner, pitched = manner
    near, far = max(thing.z, NEAR + 0.3), thing.z + thing.length
    ridge, eave = thing.lateral + thing.depth / 2, thing.lateral - np.sign(thing.depth) * 0.3
    top = thing.height + pitched
    rows = [(ridge, top, near), (ridge, top, far), (eave, thing.height - 0.1, far)]
    corners = stage.places([*rows, (eave, thing.height - 0.1, near)])
    tilt = np.array([-np.sign(thing.depth) * pitched, abs(thing.depth) / 2, 0.0])
    lit = color * stage.canvas.light.shade(tilt / np.linalg.norm(tilt))
    tiles = noise_patch((24, 48), 0.3, (thing.seed & 255, 7))
    tone = 1 + 0.08 * tiles
    tone[::3] *= 0.86
    image = (lit * tone[..., None]).clip(0, 255).astype(np.uint8)
    stage.canvas.texture(stage.canvas.camera.project(corners), image, owner)


def _barrier(stage: Stage, thing: Thing) -> tuple[np.ndarray, float, float] | None:
    """Canvas corners of an upright strip along the road, its visible length and picture scale."""
    near, far = max(thing.z, NEAR + 0.3), thing.z + thing.length
    if far - near < 0.5:
        return None
    rows = [(thing.lateral, thing.height, near), (thing.lateral, thing.height, far)]
    rows += [(thing.lateral, 0.0, far), (thing.lateral, 0.0, near)]
    corners = stage.canvas.camera.project(stage.places(rows))
    return corners, far - near, _scale(stage, near)


_MASONRY = ((172, 62, 44), (182, 72, 52), (160, 56, 44), (176, 80, 58))


def paint_wall(stage: Stage, thing: Thing) -> None:
    """A free-standing wall of brick, stone or concrete, sometimes painted over."""
    strip = _barrier(stage, thing)
    if strip is None:
        return
    corners, length, scale = strip
    rng = np.random.default_rng(thing.seed)
    color = rng.choice(_MASONRY) * rng.uniform(0.8, 1.15)
    rows, columns = max(round(thing.height * scale), 4), max(round(length * scale), 4)
    offset = (thing.seed & 255, thing.seed >> 8 & 255)
    tone = 1 + 0.09 * noise_patch((rows, columns), 1.5, offset)
    tone += 0.06 * noise_patch((rows, columns), 0.3, offset)
    course = max(int(scale * 0.3), 2)
    tone[::course] *= 0.84
    for row in range(0, rows, course):
        start = (row // course % 2) * course
        tone[row : row + course, start :: course * 2] *= 0.9
    image = color * tone[..., None]
    image[: max(rows // 12, 1)] = color * 1.2  # coping stones
    if rng.random() < 0.3:
        left = int(rng.uniform(0, columns * 0.7))
        patch = image[rows // 3 : rows * 3 // 4, left : left + columns // 6]
        patch[:] = patch * 0.4 + rng.uniform(20, 230, 3) * 0.6
    lit = stage.canvas.light.shade(np.array([-np.sign(thing.lateral), 0.0, 0.0]))
    owner = stage.add(WALL, thing)
    stage.canvas.texture(corners, (image * lit).clip(0, 255).astype(np.uint8), owner)


_TIMBERS = ((240, 238, 232), (232, 230, 226), (236, 232, 220))
_IRONS = ((226, 228, 228), (214, 218, 220))


def paint_fence(stage: Stage, thing: Thing) -> None:
    """Bars, mesh or planks; what shows through belongs to the fence, as annotators have it."""
    strip = _barrier(stage, thing)
    if strip is None:
        return
    corners, length, scale = strip
    rng = np.random.default_rng(thing.seed)
    rows, columns = max(round(thing.height * scale), 6), max(round(length * scale), 6)
    image = np.zeros((rows, columns, 4), np.float32)
    kind = str(rng.choice(["bars", "mesh", "planks"], p=[0.4, 0.2, 0.4]))
    tones = _TIMBERS if kind == "planks" else _IRONS
    color = tones[int(rng.integers(len(tones)))] * np.full(3, rng.uniform(0.9, 1.1))
    step = max(round(scale * {"bars": 0.16, "mesh": 0.09, "planks": 0.17}[kind]), 3)
    image[..., :3] = color
    if kind == "planks":
        image[..., 3] = 255
        image[:, ::step, :3] *= 0.6
        image[..., :3] *= 1 + 0.07 * noise_patch((rows, columns), 0.9, (thing.seed & 255, 1))[..., None]
    else:
        image[..., 3] = 120 if kind == "mesh" else 90
        bar = max(step // 3, 1)
        for start in range(bar):
            image[:, start::step, 3] = 255
        if kind == "mesh":
            image[::step, :, 3] = 200
    rail = max(round(scale * 0.07), 1)
    for level in (0.02, 0.5, 0.88) if kind != "planks" else (0.2,):
        image[int(level * rows) : int(level * rows) + rail, :, 3] = 255
    post = max(round(scale * 2.2), 6)
    for start in range(max(round(scale * 0.1), 1)):
        image[:, start::post, 3] = 255
        image[:, start::post, :3] *= 0.8
    lit = stage.canvas.light.shade(np.array([-np.sign(thing.lateral), 0.0, 0.0]))
    image[..., :3] *= lit
    owner = stage.add(FENCE, thing)
    stage.canvas.texture(corners, image.clip(0, 255).astype(np.uint8), owner)
