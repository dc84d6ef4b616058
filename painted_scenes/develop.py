"""From painted colours to what a device records.

First what depends on distance and light, then what the lens, the sensor and the file do.
"""

import cv2
import numpy as np

from painted_scenes.canvas import Canvas
from painted_scenes.ground import GroundMap
from painted_scenes.noise import noise_patch
from painted_scenes.scene import Scene
from painted_scenes.styles import Lens, Style

_LAMP_COLOR = np.array([1.0, 0.80, 0.52], np.float32)
_BEAM_COLOR = np.array([1.0, 0.96, 0.86], np.float32)
_DARKNESS = 0.28  # what is left of the ambient light at night
_NEAREST_LAMPS = 8


def expose(canvas: Canvas, scene: Scene, ground: GroundMap, style: Style, owners: np.ndarray) -> np.ndarray:
    """Apply lamps and night, then haze.

    Args:
        canvas: finished, at a multiple of the frame's size.
        owners: (H, W) uint8, whose each pixel of the frame is.

    Returns:
        (H, W, 3) float32 RGB at the frame's size, 0..255 and above where lamps glare.
    """
    rows, columns = owners.shape
    small = cv2.resize(canvas.paint, (columns, rows), interpolation=cv2.INTER_AREA)
    color = small[..., :3].astype(np.float32)
    step = canvas.camera.size[0] // rows
    flat = np.isin(np.arange(256), list(ground.owners.values()))[owners]
    flat[: ground.first // step] = False
    x, z = np.zeros(owners.shape, np.float32), np.zeros(owners.shape, np.float32)
    x[ground.first // step :] = ground.x[::step, ::step]
    z[ground.first // step :] = ground.z[::step, ::step]
    night = style.light.night
    if night > 0:
        color *= _illumination(canvas, scene, (x, z, flat, owners), night)
    table = np.zeros(256, np.float32)
    table[: len(canvas.objects)] = [thing.z for thing in canvas.objects]
    depth = np.where(flat, z, table[owners])
    clear = np.exp(-style.lens.haze * np.minimum(depth, 300))
    clear[owners == 0] = 1.0  # the sky has its own colours
    # No surface is as even as paint: dirt, wear and reflections, a little of each.
    offset = (scene.seed & 255, scene.seed >> 8 & 255)
    grain = 1 + 0.04 * noise_patch((rows, columns), 0.9, offset)
    grain[owners == 0] = 1.0  # but not of the sky
    color *= grain[..., None]
    haze = style.lens.haze_color.astype(np.float32)
    color = haze + (color - haze) * clear[..., None]
    return color + _glare(canvas, (rows, columns), night)


def _light_at(x: np.ndarray, z: np.ndarray, lamps: np.ndarray) -> np.ndarray:
    """Light of ``lamps`` (n, 3) and of our own beams at world x, z: (..., 3) float32 factors."""
    pools = np.zeros(x.shape, np.float32)
    for lamp_x, height, lamp_z in lamps.astype(np.float32):
        square = (x - lamp_x) ** 2 + (z - lamp_z) ** 2
        pools += np.exp(-square / (1.1 * height**2))
    spread = 1.6 + 0.16 * z
    beam = np.exp(-((x / spread) ** 2)) / (1 + (z / 22.0) ** 2) * np.clip(z / 4, 0, 1)
    light = np.minimum(pools, 1.5)[..., None] * (_LAMP_COLOR * 0.72)
    return light + (beam * 0.55).astype(np.float32)[..., None] * _BEAM_COLOR


def _illumination(
    canvas: Canvas, scene: Scene, places: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], night: float
) -> np.ndarray:
    """Factors on the painted colours, (H, W, 3) float32.

    ``places`` holds per pixel the ground's x and z, whether it is ground, and its owner.
    """
    x, z, flat, owners = places
    lamps = [(scene.road.centre(z) + lateral, h, z) for lateral, h, z in scene.lamps]
    table = np.array(sorted(lamps, key=lambda lamp: lamp[2])[:_NEAREST_LAMPS]).reshape(-1, 3)
    own = np.zeros((256, 3), np.float32)
    spots = np.array([(thing.x, thing.z) for thing in canvas.objects], np.float32)
    own[: len(spots)] = _light_at(spots[:, 0], spots[:, 1], table)
    factors = own[owners] * 0.85
    rows, columns = owners.shape
    half = _light_at(x[::2, ::2], z[::2, ::2], table)
    smooth = cv2.resize(half, (columns, rows), interpolation=cv2.INTER_LINEAR)
    np.copyto(factors, smooth, where=flat[..., None])
    factors = 1 - night * (1 - _DARKNESS) + factors * night
    factors[owners == 0] = 1.0
    return factors


def _glare(canvas: Canvas, size: tuple[int, int], night: float) -> np.ndarray | float:
    """Lamps themselves and the halo around them, (H, W, 3) float32; 0 without any."""
    owner = canvas.glow[..., 3]
    visible = (owner == canvas.paint[..., 3]) & (owner > 0)
    if not visible.any():
        return 0.0
    rows, columns = size
    shining = canvas.glow[..., :3] * visible[..., None]
    shining = cv2.resize(shining, (columns, rows), interpolation=cv2.INTER_AREA)
    small = cv2.resize(shining, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    small = small.astype(np.float32)
    halo = cv2.GaussianBlur(small, (0, 0), columns / 320) * 0.9
    halo += cv2.GaussianBlur(small, (0, 0), columns / 64) * 1.1
    halo = cv2.resize(halo, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return shining * np.float32(0.9) + halo * np.float32(0.15 + 0.85 * night)


def record(color: np.ndarray, lens: Lens, rng: np.random.Generator) -> np.ndarray:
    """What lens, sensor and file make of (H, W, 3) float32 RGB -> (H, W, 3) uint8."""
    color = _optics(color, lens)
    color = color * (lens.cast * lens.exposure).astype(np.float32)
    grey = color.mean(axis=2, keepdims=True)
    color = grey + (color - grey) * np.float32(lens.saturation)
    level = np.clip(color / 255, 0, 2)
    level = np.where(level > 0.8, 0.8 + 0.2 * np.tanh((level - 0.8) / 0.2), level)  # soft shoulder
    level = level ** np.float32(lens.gamma)
    level = 0.5 + (level - 0.5) * np.float32(lens.contrast)
    color = lens.lift + level * (255 - lens.lift)
    color = color + _sensor_noise(color.shape, lens, rng)
    image = np.clip(color + 0.5, 0, 255).astype(np.uint8)
    return image if lens.jpeg is None else _compress(image, lens.jpeg)


def _optics(color: np.ndarray, lens: Lens) -> np.ndarray:
    """Bloom, blur or sharpening, darker corners."""
    rows, columns = color.shape[:2]
    if lens.bloom > 0:
        bright = np.maximum(color - 190, 0)
        color = color + lens.bloom * cv2.GaussianBlur(bright, (0, 0), columns / 64)
    if lens.blur > 0:
        color = cv2.GaussianBlur(color, (0, 0), max(lens.blur * columns / 256, 0.1))
    if lens.sharpen > 0:
        soft = cv2.GaussianBlur(color, (0, 0), columns / 256)
        color = np.maximum(color + lens.sharpen * (color - soft), 0)
    if lens.vignette > 0:
        down = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
        across = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
        color = color * (1 - lens.vignette * (down**2 + across**2) / 2)[..., None]
    return color


def _sensor_noise(shape: tuple[int, int, int], lens: Lens, rng: np.random.Generator) -> np.ndarray:
    """Grain, mostly the same in all channels, (H, W, 3) float32."""
    rows, columns, _ = shape
    grey = rng.standard_normal((rows, columns, 1), np.float32)
    tint = rng.standard_normal(shape, np.float32)
    return np.float32(lens.noise) * (0.8 * grey + 0.5 * tint)


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """There and back through JPEG."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
