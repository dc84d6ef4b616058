"""Whole frames, decoded by threads: one by one for evaluation, or all of a small training set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segibn.data.frame import ArrayFrame, open_frame
from segibn.data.samples import SamplePaths
from segibn.files.pictures import image_size
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import LabelSet

Frame = tuple[str, np.ndarray, np.ndarray]
"""Name, image (H, W, 3) uint8 RGB, target (H, W) uint8 train ids (255 = ignore)."""

_BYTES_PER_PIXEL = 4  # three of the image and one of the target
_HEADERS_READ = 64


@dataclass(frozen=True)
class Frames:
    """An evaluation set: iterate over it, as often as wanted, for the frames of this rank."""

    samples: tuple[SamplePaths, ...]
    """Labelled samples, the same on every rank; rank r gets r, r + world_size ..."""
    label_set: LabelSet
    rank: int = 0
    world_size: int = 1
    threads: int = 2  # how many frames are decoded at a time
    ahead: int = 4  # how many decoded frames may wait
    merged: np.ndarray | None = None
    """(K,) uint8, class of a network -> class of the set (255 = none), where these are others."""
    merging: str = ""
    """What the signature says of that."""

    def __len__(self) -> int:
        return len(range(self.rank, len(self.samples), self.world_size))

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; errors as `open_frame`."""
        mine = self.samples[self.rank :: self.world_size]
        for sample, (image, target) in map_in_threads(
            lambda sample: open_frame(sample, self.label_set).read(), mine, self.threads, self.ahead
        ):
            yield sample.name, image, target


def preload(
    samples: Sequence[SamplePaths], label_set: LabelSet, resize: tuple[int, int] | None = None, *, threads: int = 2
) -> list[ArrayFrame]:
    """Decode every sample, in the order given, and resize it to (H, W); errors as `open_frame`."""
    loaded = map_in_threads(lambda one: open_frame(one, label_set, resize).read(), samples, threads)
    return [ArrayFrame(*arrays) for _, arrays in loaded]


def estimate_gib(samples: Sequence[SamplePaths], resize: tuple[int, int] | None) -> float:
    """Estimate the memory of the decoded samples from up to 64 evenly chosen headers."""
    if resize is not None:
        pixels = float(resize[0] * resize[1])
    else:
        chosen = np.linspace(0, len(samples) - 1, min(_HEADERS_READ, len(samples))).astype(int)
        pixels = float(np.mean([np.prod(image_size(samples[i].image)) for i in chosen]))
    return len(samples) * pixels * _BYTES_PER_PIXEL / 2**30
