"""The 15 corruptions of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), at any size of frame.

Each takes (H, W, 3) uint8 RGB, a level of 1 to 5 and a generator, and gives a frame alike: the
numbers and the order in which random ones are drawn are those of the package ``imagecorruptions``.
Only `frost` differs, which lays photographs over the frame there and painted crystals here.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from segibn.data.color import compress

Image = NDArray[np.uint8]
Plane = NDArray[np.floating]
Random = np.random.Generator
Corruption = Callable[[Image, int, Random], Image]


def gaussian_noise(image: Image, level: int, rng: Random) -> Image:
    """Add noise that does not depend on the light."""
    return _pixels(image / 255 + rng.normal(size=image.shape, scale=(0.08, 0.12, 0.18, 0.26, 0.38)[level - 1]))


def shot_noise(image: Image, level: int, rng: Random) -> Image:
    """Count few photons."""
    photons = (60, 25, 12, 5, 3)[level - 1]
    return _pixels(rng.poisson(image / 255 * photons) / photons)


def impulse_noise(image: Image, level: int, rng: Random) -> Image:
    """Set values to black or white."""
    amount = (0.03, 0.06, 0.09, 0.17, 0.27)[level - 1]
    is_hit, is_white = rng.random(image.shape) <= amount, rng.random(image.shape) <= 0.5
    return np.where(is_hit, np.where(is_white, 255, 0), image).astype(np.uint8)


def defocus_blur(image: Image, level: int, rng: Random) -> Image:
    """Blur by a disc with a soft edge."""
    radius, edge = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[level - 1]
    reach, size = max(8, radius), 3 if radius <= 8 else 5
    axis = np.arange(-reach, reach + 1)
    disc = (axis[:, None] ** 2 + axis**2 <= radius**2).astype(np.float32)
    return _pixels(cv2.filter2D(image / 255, -1, cv2.GaussianBlur(disc / disc.sum(), (size, size), edge)))


def glass_blur(image: Image, level: int, rng: Random) -> Image:
    """Look through frosted glass: pixels get the value of one near them, one after the other."""
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[level - 1]
    blurred = (_blur(image / 255, sigma) * 255).astype(np.uint8)
    height, width = image.shape[:2]
    rows, columns = (np.arange(side - reach, reach, -1) for side in (height, width))
    places = (rows[:, None] * width + columns).ravel()
    from_ = list(range(height * width))
    for _ in range(times):
        offsets = rng.integers(-reach, reach, size=(len(places), 2))
        near = places + offsets[:, 1] * width + offsets[:, 0]
        for place, other in zip(places.tolist(), near.tolist(), strict=True):
            from_[place] = from_[other]
    return _pixels(_blur(blurred.reshape(-1, 3)[from_].reshape(image.shape) / 255, sigma))


def motion_blur(image: Image, level: int, rng: Random) -> Image:
    """Smear along a direction, one-sidedly."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[level - 1]
    return _pixels(_smear(image / np.float32(255), radius, sigma, rng.uniform(-45, 45)))


def zoom_blur(image: Image, level: int, rng: Random) -> Image:
    """Drive towards the middle during the exposure."""
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[level - 1]
    factors, pixels = np.arange(1, end, step), image / np.float32(255)
    total = pixels.copy()
    for factor in factors:
        layer = _zoom(pixels, factor)[: image.shape[0], : image.shape[1]]
        total[: layer.shape[0], : layer.shape[1]] += layer
    return _pixels(total / (len(factors) + 1))


def snow(image: Image, level: int, rng: Random) -> Image:
    """Streaks of flakes before a whiter frame."""
    mean, spread, factor, least, radius, sigma, kept = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[level - 1]
    height, width = image.shape[:2]
    flakes = _zoom(rng.normal(size=(height, width, 1), loc=mean, scale=spread), factor)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)[:, :, 0]
    flakes = _smear(flakes, radius, sigma, rng.uniform(-135, -45))
    flakes = (np.round(flakes * 255).astype(np.uint8) / 255)[:height, :width, None]
    pixels = image / np.float32(255)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]
    whiter = kept * pixels + (1 - kept) * np.maximum(pixels, grey * 1.5 + 0.5)
    return _pixels(whiter + flakes + np.rot90(flakes, k=2))


def frost(image: Image, level: int, rng: Random) -> Image:
    """Lay crystals of ice over the frame."""
    kept, added = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[level - 1]
    height, width = image.shape[:2]
    drawn = np.zeros((height, width), np.uint8)
    for _ in range(50):  # feathers grow inwards from the edges
        along, side, turn = rng.uniform(), rng.integers(4), rng.uniform(-0.9, 0.9)
        start = ((along, 0), (along, 1), (0, along), (1, along))[side] * np.array([width, height])
        angle = (np.pi / 2, -np.pi / 2, 0, np.pi)[side] + turn
        _feather(drawn, start, angle, width * rng.uniform(0.05, 0.3), int(rng.integers(120, 255)))
    feathers = drawn.astype(np.float32) / 255
    ice = 0.7 * feathers + 0.9 * _blur(feathers, width / 60) + 0.3 * _plasma(height, width, 2, rng)
    blue = np.array([0.85, 0.95, 1.0], np.float32)
    return _pixels(kept * image / 255 + added * np.clip(ice, 0, 1)[..., None] * blue)


def fog(image: Image, level: int, rng: Random) -> Image:
    """Add patches of white, whatever is how far away."""
    amount, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[level - 1]
    pixels, brightest = image / 255, image.max() / 255
    patches = _plasma(image.shape[0], image.shape[1], decay, rng)[..., None]
    return _pixels((pixels + amount * patches) * brightest / (brightest + amount))


def brightness(image: Image, level: int, rng: Random) -> Image:
    """Raise the value (of HSV), hue and saturation kept."""
    value = image.max(axis=2, keepdims=True) / 255
    raised = np.clip(value + (0.1, 0.2, 0.3, 0.4, 0.5)[level - 1], 0, 1)
    scaled = image / 255 * (raised / np.maximum(value, 1e-9))
    return _pixels(np.where(value > 0, scaled, raised))


def contrast(image: Image, level: int, rng: Random) -> Image:
    """Pull every channel to its mean."""
    pixels, kept = image / 255, (0.4, 0.3, 0.2, 0.1, 0.05)[level - 1]
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    return _pixels((pixels - mean) * kept + mean)


def elastic_transform(image: Image, level: int, rng: Random) -> Image:
    """Move pixels by a smooth random field of a few thousandths of the height."""
    strength = 250 * (0.05, 0.065, 0.085, 0.1, 0.12)[level - 1]
    height, width = image.shape[:2]
    most, sigmas = height * 0.005, (height * 0.01, width * 0.01)
    moved = []
    for axis in (np.arange(width)[None], np.arange(height)[:, None]):
        field = rng.uniform(-most, most, size=(height, width))
        size = [2 * int(3 * sigma + 0.5) + 1 for sigma in sigmas]
        smooth = cv2.GaussianBlur(field, size[::-1], sigmas[1], sigmaY=sigmas[0], borderType=cv2.BORDER_REFLECT)
        moved.append((axis + smooth * strength).astype(np.float32))
    return _pixels(cv2.remap(image / np.float32(255), *moved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def pixelate(image: Image, level: int, rng: Random) -> Image:
    """Show fewer, larger pixels."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[level - 1]
    height, width = image.shape[:2]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    picture = PillowImage.fromarray(image).resize(small, PillowImage.Resampling.BOX)
    return np.asarray(picture.resize((width, height), PillowImage.Resampling.NEAREST))


def jpeg_compression(image: Image, level: int, rng: Random) -> Image:
    """Compress and decode again."""
    return compress(image, (25, 18, 15, 10, 7)[level - 1])


IMAGENET_C: dict[str, Corruption] = {
    f"c-{corruption.__name__.replace('_', '-')}": corruption
    for corruption in (
        *(gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur, motion_blur),
        *(zoom_blur, snow, frost, fog, brightness, contrast, elastic_transform, pixelate),
        jpeg_compression,
    )
}
"""Name, such as c-glass-blur -> corruption, in the paper's order."""


def _feather(plane: Image, start: Plane, angle: float, length: float, grey: int) -> None:
    """Draw a stem with branches at 60 degrees, which have branches of their own."""
    along = np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(map(round, point)) for point in (16 * start, 16 * (start + length * along))]
    cv2.line(plane, ends[0], ends[1], grey, 1, cv2.LINE_AA, 4)
    if length < 0.02 * plane.shape[1]:
        return
    for place in np.arange(0.15, 1, 0.12):
        for turn in (-np.pi / 3, np.pi / 3):
            _feather(plane, start + place * length * along, angle + turn, 0.4 * length * (1 - place), grey)


def _pixels(values: Plane) -> Image:
    """0..1 -> 0..255; cut down to whole numbers, as the package's users see them."""
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def _blur(plane: Plane, sigma: float) -> Plane:
    side = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(plane, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)


def _zoom(plane: Plane, factor: float) -> Plane:
    """Enlarge the middle of (H, W, C) to about (H, W), corner to corner, linearly."""
    for axis in (0, 1):
        side = plane.shape[axis]
        kept = math.ceil(side / factor)
        middle = np.take(plane, np.arange(kept) + (side - kept) // 2, axis)
        place = np.linspace(0, kept - 1, round(kept * factor))
        low = np.minimum(place.astype(int), max(0, kept - 2))
        share = (place - low).astype(plane.dtype).reshape([-1 if a == axis else 1 for a in range(3)])
        near = np.take(middle, np.minimum(low + 1, kept - 1), axis)
        plane = np.take(middle, low, axis) * (1 - share) + near * share
    return plane


def _smear(plane: Plane, radius: int, sigma: float, angle: float) -> Plane:
    """Add copies moved along a direction, weighted by half a Gaussian; edges are repeated."""
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    down, right = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    total = np.zeros_like(plane, dtype=np.float32)
    rows, columns = (np.arange(side) for side in plane.shape[:2])
    for step, weight in enumerate(weights):
        dy, dx = -math.ceil(step * down - 0.5), -math.ceil(step * right - 0.5)
        if abs(dy) >= plane.shape[0] or abs(dx) >= plane.shape[1]:
            break
        total = total + weight * plane[_moved(rows, dy)][:, _moved(columns, dx)]
    return total


def _moved(places: NDArray[np.intp], by: int) -> NDArray[np.intp]:
    return np.clip(places - by, 0, len(places) - 1)


def _plasma(height: int, width: int, decay: float, rng: Random) -> Plane:
    """(H, W) clouds in 0..1 by the diamond-square algorithm on a map of a power of two."""
    side = 1 << (max(height, width) - 1).bit_length()
    clouds, step, wibble = np.zeros((side, side)), side, 100.0
    while step >= 2:
        half = step // 2

        def mean(total: Plane, wibble: float = wibble) -> Plane:
            return total / 4 + wibble * rng.uniform(-wibble, wibble, total.shape)

        corners = clouds[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        clouds[half::step, half::step] = mean(pairs + np.roll(pairs, -1, axis=1))
        middles = clouds[half::step, half::step]
        across = corners + np.roll(corners, -1, axis=1)
        clouds[::step, half::step] = mean(middles + np.roll(middles, 1, axis=0) + across)
        along = corners + np.roll(corners, -1, axis=0)
        clouds[half::step, ::step] = mean(middles + np.roll(middles, 1, axis=1) + along)
        step, wibble = half, wibble / decay
    clouds -= clouds.min()
    return clouds[:height, :width] / clouds.max()
