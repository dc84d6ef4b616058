"""Frames for evaluation, whole and at native size, in the order of the samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segibn.data.frame import open_frame
from segibn.data.samples import SamplePaths
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import LabelSet

Frame = tuple[str, np.ndarray, np.ndarray]
"""Name, image (H, W, 3) uint8 RGB, target (H, W) uint8 train ids (255 = ignore)."""


@dataclass(frozen=True)
class Frames:
    """An evaluation set: iterate over it, as often as wanted, for the frames of this rank."""

    samples: tuple[SamplePaths, ...]
    """Labelled samples, the same on every rank; rank r gets r, r + world_size ...: every sample
    goes to exactly one rank, also when the number does not divide."""
    label_set: LabelSet
    rank: int = 0
    world_size: int = 1
    threads: int = 2
    """How many frames are decoded at a time."""
    ahead: int = 4
    """How many decoded frames may wait."""

    def __len__(self) -> int:
        return len(range(self.rank, len(self.samples), self.world_size))

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; ImageFileError, LabelValueError, DatasetError as `open_frame`."""
        mine = self.samples[self.rank :: self.world_size]
        loaded = map_in_threads(
            lambda sample: open_frame(sample, self.label_set).read(), mine, self.threads, self.ahead
        )
        for sample, (image, target) in loaded:
            yield sample.name, image, target
