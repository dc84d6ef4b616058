"""What each step of a training sample costs, on the windows that a run draws.

In: the samples and their cache. Out: for each step a callable that does it once for every sample.
What the step works on is made beforehand; windows, scales and mirrors are those of a run.
"""

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.data_rivals import JITTER, SCALE_RANGE, Task
from benchmarks.timing import Call
from segibn.data.color import adjust, blur, draw_jitter
from segibn.data.disk_cache import DiskCache
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


def read_cached(task: Task, cache: DiskCache) -> Call:
    """Read the window from the disk cache."""
    windows = _Windows(task)

    def work() -> None:
        for index, window in enumerate(windows.next()):
            cache[index].read(window.source)

    return work


def write(task: Task, cache: DiskCache) -> Call:
    """Put a whole frame into the cache: decode and write it; done once for each frame."""

    def work() -> None:
        for index in range(len(task.samples)):
            cache.path_of(index).unlink(missing_ok=True)
            cache[index].read((0, 0, 1, 1))

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
    "read the window from the cache": read_cached,
    "put a frame into the cache": write,
    "resize": resize,
    "flip": flip,
    "colour jitter": jitter,
    f"blur, sigma {BLUR_SIGMA[0]}-{BLUR_SIGMA[1]}": blurring,
}
