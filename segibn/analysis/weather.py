"""Synthetic weather: (H, W, 3) uint8 RGB, a level of 1 to 5, a generator -> a frame alike.

No true distances: they are guessed from where a pixel is, as if the camera drove along a flat road
between houses. That is enough to compare networks under one change, and no model of a real place.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]

HORIZON = 0.45  # its height, a share of the frame's height from the top
# of the guessed street; at its end something closes the view
CAMERA_HEIGHT_M, STREET_HALF_WIDTH_M, END_M = 1.5, 12.0, 90.0
FOCAL_LENGTH = 1.1  # in widths of the frame; Cityscapes' camera has 2262 / 2048

# Of each level. The first three ranges are those of Foggy Cityscapes (arXiv 1708.07819: attenuation
# 0.005, 0.01, 0.02 per metre), as is -ln(0.05): 5 % of the contrast is left at that distance.
VISIBILITY_M = (600.0, 300.0, 150.0, 90.0, 50.0)
KOSCHMIEDER = 2.996
NIGHT_LIGHT = (0.16, 0.09, 0.05, 0.028, 0.015)  # ambient, relative to the frame's, linear
RAIN_STREAKS = (250, 500, 900, 1400, 2000)  # drops that are seen in a frame
RAIN_VISIBILITY_M = (2000.0, 1000.0, 600.0, 400.0, 250.0)
LAMP_LIGHT = 0.25  # of the own headlights right before them, relative to the frame's light
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
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = 0.82 * (0.7 * pixels + 0.3 * grey)
    pixels = _veil(pixels, RAIN_VISIBILITY_M[level - 1], np.ones((height, width), np.float32))
    streaks = _streaks(height, width, RAIN_STREAKS[level - 1], rng)[..., None]
    return _to_pixels(pixels * (1 - streaks) + 205.0 * streaks)


def night(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Little and bluish light, own headlights on what is near, a sensor at its limit."""
    height, width = image.shape[:2]
    light = (image.astype(np.float32) / 255) ** _GAMMA
    grey = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    colorless = 0.55 * light + 0.45 * grey[..., None]
    ambient = NIGHT_LIGHT[level - 1]
    # The sky gives no light of its own at night: it fades towards the top.
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None] / HORIZON
    ambient_light = colorless * (ambient * np.clip(0.15 + 0.85 * rows, 0, 1))[..., None]
    ambient_light *= np.array([0.75, 0.9, 1.2], np.float32)
    lamps = LAMP_LIGHT * _headlights(height, width)[..., None]
    light = ambient_light + colorless * lamps * np.array([1.1, 1.0, 0.8], np.float32)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    light += noise * np.sqrt(1e-6 + 6e-4 * ambient * light)
    # Exposure makes up for a part of what is missing, as a camera's does.
    light *= ambient**-0.35
    return _to_pixels(255 * np.clip(light, 0, 1) ** (1 / _GAMMA))


def _veil(pixels: Plane, visibility_m: float, density: Plane) -> Plane:
    """Mix (H, W, 3) with the colour of the air by distance."""
    distance = guessed_distance(pixels.shape[0], pixels.shape[1])
    seen = np.exp(-KOSCHMIEDER / visibility_m * density * distance)[..., None]
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
