"""What each step of a training sample costs, on the windows that a run draws.

In: the samples and their cache. Out: for each step a callable that does it once for every sample.
What the step works on is made beforehand; windows, scales and mirrors are those of a run.
"""

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.data_rivals import JITTER, SCALE_RANGE, Task
from benchmarks.timing import Call
from segibn.data.cache.disk_cache import CacheJob, DiskCache
from segibn.data.cache.tiles import encode as encode_tiles
from segibn.data.color import adjust, blur, draw_jitter
from segibn.data.frame import open_frame, resize_image, resize_target
from segibn.data.transforms import TrainTransform, Window
from segibn.labels.cityscapes import CITYSCAPES

_ROUNDS = 16  # windows for each frame, which the calls go through in turn
BLUR_SIGMA = (0.15, 1.15)


class _Windows:
    """Windows that a run might draw, a list for each call; the same for every step."""

    def __init__(self, task: Task) -> None:
        rng = np.random.default_rng(0)
        transform = TrainTransform(task.crop, SCALE_RANGE)
        self.rounds = [[transform.window(rng, task.size) for _ in task.samples] for _ in range(_ROUNDS)]
        self.number = 0

    def next(self) -> list[Window]:
        """Return the windows of the next call."""
        self.number += 1
        return self.rounds[self.number % _ROUNDS]


def decode(task: Task, cache: DiskCache) -> Call:
    """Read and decode the window from the PNG files, and map its label values."""
    windows = _Windows(task)

    def work() -> None:
        for sample, window in zip(task.samples, windows.next(), strict=True):
            open_frame(sample, CITYSCAPES).read(window.source)

    return work


def read_tiles(task: Task, cache: DiskCache) -> Call:
    """Read and decode the window from the disk cache."""
    windows = _Windows(task)

    def work() -> None:
        for frame, window in zip(cache, windows.next(), strict=True):
            frame.read(window.source)

    return work


def read_plain_pixels(task: Task, cache: DiskCache) -> Call:
    """Copy the window out of uncompressed pixels in a file, which the cache might have been."""
    windows = _Windows(task)
    files = []
    for number, frame in enumerate(cache):
        for name, pixels in zip(("image", "target"), frame.read(), strict=True):
            path = cache.folder / f"{number}_{name}.npy"
            np.save(path, pixels)
            files.append(path)

    def work() -> None:
        for number, window in enumerate(windows.next()):
            top, left, bottom, right = window.source
            for path in files[2 * number : 2 * number + 2]:
                np.load(path, mmap_mode="r")[top:bottom, left:right].copy()

    return work


def encode(task: Task, cache: DiskCache) -> Call:
    """Make a whole frame ready for the cache: decode, hash, compress; done once for each frame."""
    job = CacheJob(task.samples, CITYSCAPES, None, cache.folder)

    def work() -> None:
        for sample in task.samples:
            job.note_of(sample)
            encode_tiles(*open_frame(sample, CITYSCAPES).read())

    return work


def resize(task: Task, cache: DiskCache) -> Call:
    """Resize the window's image and target."""
    windows = _Windows(task)
    frames = [open_frame(sample, CITYSCAPES).read() for sample in task.samples]

    def work() -> None:
        for (image, target), window in zip(frames, windows.next(), strict=True):
            top, left, bottom, right = window.source
            resize_image(image[top:bottom, left:right], window.size)
            resize_target(target[top:bottom, left:right], window.size)

    return work


def flip(task: Task, cache: DiskCache) -> Call:
    """Mirror image and target."""
    return _on_crops(task, lambda image, target, rng: (cv2.flip(image, 1), cv2.flip(target, 1)))


def jitter(task: Task, cache: DiskCache) -> Call:
    """Change brightness, contrast, saturation and hue."""
    return _on_crops(task, lambda image, target, rng: adjust(image, draw_jitter(JITTER, rng)))


def blurring(task: Task, cache: DiskCache) -> Call:
    """Blur by a Gaussian."""
    return _on_crops(task, lambda image, target, rng: blur(image, rng.uniform(*BLUR_SIGMA)))


def _on_crops(task: Task, step: Callable[[np.ndarray, np.ndarray, np.random.Generator], object]) -> Call:
    """Do a step on the upper left crop of every frame."""
    box = (0, 0, *task.crop)
    frames = [open_frame(sample, CITYSCAPES).read(box) for sample in task.samples]
    crops = [tuple(map(np.ascontiguousarray, frame)) for frame in frames]
    rng = np.random.default_rng(0)

    def work() -> None:
        for image, target in crops:
            step(image, target, rng)

    return work


STEPS = {
    "decode the window": decode,
    "read the window's tiles": read_tiles,
    "read plain pixels": read_plain_pixels,
    "put a frame into the cache": encode,
    "resize": resize,
    "flip": flip,
    "colour jitter": jitter,
    f"blur, sigma {BLUR_SIGMA[0]}-{BLUR_SIGMA[1]}": blurring,
}
