"""What happens to frames on the road: (H, W, 3) uint8 RGB, a level of 1 to 5, a generator -> alike.

Sizes are shares of the frame's, so that a level means the same at any resolution. No true
distances: they are guessed from where a pixel is, as if the camera drove along a flat road between
houses. That is enough to compare networks under one change, and no model of a real place.
"""

import cv2
import numpy as np

from segibn.analysis.corruptions import Corruption, Image, Plane
from segibn.data.color import compress

HORIZON = 0.45  # its height, a share of the frame's height from the top
# of the guessed street; at its end something closes the view
CAMERA_HEIGHT_M, STREET_HALF_WIDTH_M, END_M = 1.5, 12.0, 90.0
FOCAL_LENGTH = 1.1  # in widths of the frame; Cityscapes' camera has 2262 / 2048

# Of each level. The first three ranges are those of Foggy Cityscapes (arXiv 1708.07819: attenuation
# 0.005, 0.01, 0.02 per metre), as is -ln(0.05): 5 % of the contrast is left at that distance.
VISIBILITY_M = (600.0, 300.0, 150.0, 90.0, 50.0)
KOSCHMIEDER = 2.996
NOISE_SIGMAS = (6.0, 11.0, 18.0, 28.0, 42.0)  # of a mid-grey pixel, in grey levels
_GAMMA = 2.2


def guessed_distance(height: int, width: int) -> Plane:
    """(H, W) metres to what a pixel probably shows: road, houses, the street's end."""
    focal = FOCAL_LENGTH * width
    down = np.arange(height, dtype=np.float32)[:, None] + 0.5 - HORIZON * height
    aside = np.abs(np.arange(width, dtype=np.float32)[None, :] + 0.5 - width / 2)
    closeness = [np.maximum(down, 0) / (CAMERA_HEIGHT_M * focal)]
    closeness += [aside / (STREET_HALF_WIDTH_M * focal), np.float32(1 / END_M)]
    # the nearest of them, with soft edges: hard ones would show as lines in the fog
    return (1 / np.sqrt(sum(part**2 for part in closeness))).astype(np.float32)


def fog(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Fade everything into grey with its distance (Koschmieder's law), patchily."""
    density = 1 + 0.3 * _clouds(image.shape[0], image.shape[1], rng)
    return _to_pixels(_veil(image.astype(np.float32), VISIBILITY_M[level - 1], density))


def rain(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Bright streaks before a duller, hazier and darker frame."""
    height, width = image.shape[:2]
    pixels = image.astype(np.float32)
    pixels = 0.82 * (0.7 * pixels + 0.3 * pixels.mean(axis=2, keepdims=True))
    pixels = _veil(pixels, (2000.0, 1000.0, 600.0, 400.0, 250.0)[level - 1])
    streaks = _streaks(height, width, (250, 500, 900, 1400, 2000)[level - 1], rng)[..., None]
    return _to_pixels(pixels * (1 - streaks) + 205.0 * streaks)


def night(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Little and bluish light, own headlights on what is near, a sensor at its limit."""
    height, width = image.shape[:2]
    light = (image.astype(np.float32) / 255) ** _GAMMA
    grey = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    colorless = 0.55 * light + 0.45 * grey[..., None]
    ambient = (0.16, 0.09, 0.05, 0.028, 0.015)[level - 1]  # relative to the frame's, linear
    # The sky gives no light of its own at night: it fades towards the top.
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None] / HORIZON
    ambient_light = colorless * (ambient * np.clip(0.15 + 0.85 * rows, 0, 1))[..., None]
    ambient_light *= np.array([0.75, 0.9, 1.2], np.float32)
    lamps = 0.25 * _headlights(height, width)[..., None]  # right before them, relative to the frame's light
    light = ambient_light + colorless * lamps * np.array([1.1, 1.0, 0.8], np.float32)
    light += rng.standard_normal(light.shape, dtype=np.float32) * np.sqrt(1e-6 + 6e-4 * ambient * light)
    # Exposure makes up for a part of what is missing, as a camera's does.
    light *= ambient**-0.35
    return _to_pixels(255 * np.clip(light, 0, 1) ** (1 / _GAMMA))


def snow(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Flakes, near ones large and soft, before a frame that fades into white."""
    height, width = image.shape[:2]
    pixels = _veil(image.astype(np.float32), (800.0, 400.0, 200.0, 120.0, 70.0)[level - 1])
    flakes, most = np.zeros((height, width), np.float32), (300, 600, 1100, 1700, 2500)[level - 1]
    for nearness in (0.15, 0.4, 1.0):  # far, in between, near: each with its own blur
        layer = np.zeros((height, width), np.uint8)
        count = round(most * (1 - nearness) ** 2 + 0.05 * most)
        radius = max(0.6, 0.006 * width * nearness)
        for x, y, strength in rng.uniform(size=(count, 3)):
            place = (round(16 * x * width), round(16 * y * height))
            cv2.circle(layer, place, round(16 * radius), 120 + 120 * float(strength), -1, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(layer, (0, 0), max(0.3, 0.5 * radius))
        flakes = np.maximum(flakes, soft.astype(np.float32) / 255)
    share = flakes[..., None]
    return _to_pixels(pixels * (1 - share) + 240.0 * share)


def spray(image: Image, level: int, rng: np.random.Generator) -> Image:
    """A cloud of water behind a vehicle ahead, and drops on the windscreen that bend the view."""
    height, width = image.shape[:2]
    middle, below = rng.uniform(0.3, 0.7), rng.uniform(0.0, 0.1)
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    cloud = np.exp(-(((x - middle) / 0.3) ** 2) - ((y - HORIZON - 0.12 - below) / 0.2) ** 2)
    cloud = cloud.astype(np.float32) * (1 + 0.3 * _clouds(height, width, rng))
    thickest = (0.4, 0.55, 0.7, 0.85, 0.95)[level - 1]  # share of the light that it hides there
    share = np.clip(thickest * cloud, 0, 1)[..., None]
    pixels = image.astype(np.float32) * (1 - share) + 190.0 * share
    bent = cv2.flip(cv2.GaussianBlur(pixels, (0, 0), max(0.5, width / 100)), 0)
    drops = np.zeros((height, width), np.uint8)
    for px, py, size in rng.uniform(size=((15, 30, 60, 100, 160)[level - 1], 3)):
        place, radius = (round(16 * px * width), round(16 * py * height)), round(16 * width * (0.003 + 0.008 * size))
        cv2.circle(drops, place, radius, 255, -1, 16, 4)
    mask = cv2.GaussianBlur(drops, (0, 0), max(0.5, width / 500)).astype(np.float32)[..., None] / 255
    return _to_pixels(pixels * (1 - mask) + bent * mask)


def exposure(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Expose too long or too short, by the frame: light is multiplied, and cut off at white."""
    stops = (1.0, 1.5, 2.0, 2.5, 3.0)[level - 1] * (1 if rng.uniform() < 0.5 else -1)
    light = (np.arange(256) / 255) ** _GAMMA * 2**stops
    return cv2.LUT(image, _to_pixels(255 * np.clip(light, 0, 1) ** (1 / _GAMMA)))


def defocus(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Focus on something else: every point becomes a disc."""
    radius = max(0.5, (0.0015, 0.0025, 0.004, 0.006, 0.009)[level - 1] * image.shape[1])
    reach = int(np.ceil(radius)) + 1
    axis = np.arange(-reach, reach + 1)
    away = np.sqrt(axis[:, None] ** 2 + axis**2)
    disc = np.clip(radius + 0.5 - away, 0, 1).astype(np.float32)  # its edge shares pixels
    return cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101)


def low_resolution(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Take a cheap camera: fewer pixels, enlarged smoothly."""
    height, width = image.shape[:2]
    share = (0.6, 0.45, 0.33, 0.25, 0.18)[level - 1]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)


def motion_blur(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Move the camera during the exposure, mostly sideways, as in a turn."""
    length = max(1.0, (0.006, 0.01, 0.016, 0.024, 0.034)[level - 1] * image.shape[1])
    angle = np.deg2rad(rng.uniform(-20, 20))
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for along in np.linspace(-length / 2, length / 2, 8 * half + 1):
        x, y = half + along * np.cos(angle), half + along * np.sin(angle)
        column, row = int(x), int(y)
        right, below = x - column, y - row
        kernel[row : row + 2, column : column + 2] += [
            [(1 - below) * (1 - right), (1 - below) * right],
            [below * (1 - right), below * right],
        ]
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def noise(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Sensor noise: its variance half constant, half in proportion to the light."""
    pixels = image.astype(np.float32)
    sigma = NOISE_SIGMAS[level - 1] * np.sqrt(0.5 + pixels / 255)
    return _to_pixels(pixels + sigma * rng.standard_normal(pixels.shape, dtype=np.float32))


def jpeg(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Compress and decode again."""
    return compress(image, (60, 40, 25, 15, 8)[level - 1])


def _veil(pixels: Plane, visibility_m: float, density: Plane | float = 1.0) -> Plane:
    """Mix (H, W, 3) with the colour of the air by distance."""
    seen = np.exp(-KOSCHMIEDER / visibility_m * density * guessed_distance(*pixels.shape[:2]))[..., None]
    brightest = float(np.percentile(pixels[::4, ::4], 95))
    air = np.float32(np.clip(0.5 * 200 + 0.5 * brightest, 120, 225))
    return pixels * seen + air * (1 - seen)


def _clouds(height: int, width: int, rng: np.random.Generator) -> Plane:
    """(H, W) smooth noise in about -1..1, the same picture at any size."""
    total = np.zeros((height, width), np.float32)
    for octave, strength in ((2, 0.6), (4, 0.3), (8, 0.15)):
        grid = rng.uniform(-1, 1, (octave + 1, 2 * octave + 1)).astype(np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, -1, 1)


def _streaks(height: int, width: int, count: int, rng: np.random.Generator) -> Plane:
    """(H, W) share of rain in each pixel, 0..0.55: thin slanted lines, near ones longer."""
    slant = np.deg2rad(rng.uniform(-12, 12))
    layer = np.zeros((height, width), np.uint8)
    positions = rng.uniform(size=(count, 2))
    lengths = height * (0.03 + 0.09 * rng.uniform(size=count) ** 2)
    thickness = max(1, round(height / 500))
    # On small frames a line cannot be as thin as it should: it is fainter instead.
    strengths = rng.uniform(50, 140, count) * min(1.0, (height / 500) ** 0.5)
    for (x, y), length, strength in zip(positions, lengths, strengths, strict=True):
        start = (x * width * 1.2 - 0.1 * width, y * height * 1.2 - 0.1 * height)
        end = (start[0] + length * np.sin(slant), start[1] + length * np.cos(slant))
        ends = [(round(16 * a), round(16 * b)) for a, b in (start, end)]
        # Coordinates have four binary places, so that a streak may start between pixels.
        cv2.line(layer, ends[0], ends[1], float(strength), thickness, cv2.LINE_AA, 4)
    return layer.astype(np.float32) / 255


def _headlights(height: int, width: int) -> Plane:
    """(H, W) light, 0..1: near and ahead, cut off above the horizon."""
    distance = guessed_distance(height, width)
    aside = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    beam = np.exp(-((aside / 0.28) ** 2))[None, :]
    down = (np.arange(height, dtype=np.float32) + 0.5) / height - HORIZON
    below = 1 / (1 + np.exp(-np.clip(down / 0.02, -30, 30)))[:, None]
    return (beam * below / (1 + (distance / 18) ** 2)).astype(np.float32)


def _to_pixels(values: Plane) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


DRIVING: dict[str, Corruption] = {
    corruption.__name__.replace("_", "-"): corruption
    for corruption in (*(fog, night, rain, snow, spray, exposure, defocus, motion_blur, noise, low_resolution), jpeg)
}
