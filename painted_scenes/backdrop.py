"""The sky, and far trees or houses where the street ends: painted before the ground."""

import cv2
import numpy as np

from painted_scenes.noise import noise_patch, sample_noise
from painted_scenes.scene import VISIBLE_DEPTH, Scene
from painted_scenes.stage import BUILDING, SKY, VEGETATION, Stage


def paint_sky(stage: Stage, seed: int) -> None:
    """Fill the whole canvas with sky: a gradient and, in perspective, a layer of clouds."""
    canvas = stage.canvas
    light, (rows, columns) = canvas.light, canvas.camera.size
    owner = canvas.add(SKY, 0.0, 1000.0)
    rng = np.random.default_rng([seed, 1])
    last = min(int(canvas.camera.horizon + 0.1 * rows) + 2, rows)
    step = 2  # clouds are soft: half the resolution is enough
    rise = np.clip(1 - np.arange(0.5, last, step) / max(canvas.camera.horizon, 1), 0.02, 1)
    share = (rise**0.6)[:, None, None].astype(np.float32)
    sky = light.sky_low.astype(np.float32) * (1 - share) + light.sky_top.astype(np.float32) * share
    across = (np.arange(0, columns, step) - columns / 2) / canvas.camera.focal
    distance = 1 / (rise[:, None] + 0.12)
    offset = rng.uniform(0, 256, 2)
    wide = across[None, :] * distance * 38 + offset[0]
    high = sample_noise(np.broadcast_to(distance * 52 + offset[1], wide.shape), wide, 1.7)
    cover = np.clip((high - 1.3 + 2.6 * light.clouds) * 0.9, 0, 1)[..., None]
    body = light.cloud_color.astype(np.float32) * (0.93 + 0.05 * high[..., None])
    sky = np.clip(sky + (body - sky) * cover * 0.9, 0, 255).astype(np.uint8)
    sky = cv2.resize(sky, (columns, last), interpolation=cv2.INTER_LINEAR)
    canvas.paint[:last, :, :3] = sky
    canvas.paint[last:, :, :3] = light.sky_low.clip(0, 255).astype(np.uint8)
    canvas.paint[..., 3] = owner


def paint_horizon(stage: Stage, scene: Scene) -> None:
    """Paint what closes the view: a jagged line of tree tops, before it blocks of houses."""
    rng = np.random.default_rng([scene.seed, 2])
    _paint_treeline(stage, rng)
    if scene.backdrop == "skyline" or rng.random() < 0.4:
        _paint_skyline(stage, rng)


def _paint_treeline(stage: Stage, rng: np.random.Generator) -> None:
    canvas = stage.canvas
    camera, columns = canvas.camera, canvas.camera.size[1]
    owner = canvas.add(VEGETATION, 0.0, VISIBLE_DEPTH * 1.6)
    tall = camera.pixels_per_metre(VISIBLE_DEPTH * 1.6) * rng.uniform(3, 10)
    across = np.arange(columns)
    rough = noise_patch((1, columns), 1.4, (int(rng.integers(256)), int(rng.integers(256))))[0]
    fine = noise_patch((1, columns), 0.5, (int(rng.integers(256)), 0))[0]
    top = camera.horizon + camera.roll * (across - columns / 2)
    top = top - tall * np.clip(0.8 + 0.35 * rough + 0.1 * fine, 0.15, 2)
    bottom = camera.horizon + abs(camera.roll) * columns + 2
    first = int(max(top.min(), 0))
    last = int(min(bottom, camera.size[0] - 1))
    if first >= last:
        return
    below = np.arange(first, last)[:, None] >= top[None, :]
    grain = noise_patch(below.shape, 0.8, (int(rng.integers(256)), 3))
    green = np.array(rng.choice([(52, 70, 38), (66, 78, 48), (78, 76, 50)])) * 1.0
    color = green * (0.75 + 0.22 * grain[..., None]) * canvas.light.shade(np.array([0, 0.7, -0.7]))
    area = canvas.paint[first:last]
    np.copyto(area[..., :3], color.clip(0, 255).astype(np.uint8), where=below[..., None])
    area[..., 3][below] = owner


def _paint_skyline(stage: Stage, rng: np.random.Generator) -> None:
    camera = stage.canvas.camera
    count = int(rng.integers(4, 11))
    for z in np.sort(rng.uniform(VISIBLE_DEPTH, VISIBLE_DEPTH * 1.5, count))[::-1]:
        x, wide, tall = rng.normal(0, 45), rng.uniform(8, 20), rng.uniform(7, 24)
        owner = stage.canvas.add(BUILDING, x, z)
        tone = rng.uniform(80, 190) * np.array([1.0, rng.uniform(0.78, 1), rng.uniform(0.62, 1)])
        color = tone * stage.canvas.light.shade(np.array([0.0, 0.0, -1.0]))
        corners = np.array([[x, tall, z], [x + wide, tall, z], [x + wide, 0, z], [x, 0, z]])
        left, top, right, bottom = *camera.project(corners)[0], *camera.project(corners)[2]
        floors, bays = int(tall / 3.2), int(wide / 2.6)
        image = np.empty((floors * 3 + 1, bays * 3 + 1, 3), np.uint8)
        image[:] = color.clip(0, 255)
        image[1::3, 1::3] = image[2::3, 1::3] = (color * 0.5).clip(0, 255)
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        stage.canvas.texture(box, image, owner)
