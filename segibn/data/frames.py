"""Data room: frames for evaluation, whole and at native size, one after the other.

In: samples and a label set. Out: an iterator of (name, image, target); a few threads decode ahead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segibn.data.dataset import load_arrays
from segibn.data.samples import SamplePaths
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import LabelSet

Frame = tuple[str, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Frames:
    """An evaluation set: iterate over it, as often as wanted, for the frames of this rank.

    Attributes:
        samples: every sample of the set, on every rank.
        label_set: reads the label maps' values.
        rank: of this process.
        world_size: number of processes.
        threads: how many frames are decoded at a time.
    """

    samples: tuple[SamplePaths, ...]
    label_set: LabelSet
    rank: int = 0
    world_size: int = 1
    threads: int = 2

    def __len__(self) -> int:
        """Number of frames that this rank gets."""
        return len(range(self.rank, len(self.samples), self.world_size))

    def __iter__(self) -> Iterator[Frame]:
        """Yield (name, image, target) as `iterate_frames` does."""
        return iterate_frames(
            self.samples,
            self.label_set,
            rank=self.rank,
            world_size=self.world_size,
            threads=self.threads,
        )


def iterate_frames(
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    *,
    rank: int = 0,
    world_size: int = 1,
    threads: int = 2,
    ahead: int = 4,
) -> Iterator[Frame]:
    """Yield every frame of this rank's share, in the order of the samples.

    Args:
        samples: labelled samples, the same list on every rank.
        label_set: reads the label maps' values.
        rank: of this process; it gets the samples rank, rank + world_size ...: every sample goes
            to exactly one rank, also when the number does not divide.
        world_size: number of processes.
        threads: how many decode at a time.
        ahead: how many decoded frames may wait.

    Yields:
        Name, image (H, W, 3) uint8 RGB, target (H, W) uint8 train ids (255 = ignore).

    Raises:
        ImageFileError: a file is unreadable, or image and label map differ in size.
        LabelValueError: a value outside the label table.
    """
    mine = list(samples)[rank::world_size]
    loaded = map_in_threads(lambda sample: load_arrays(sample, label_set), mine, threads, ahead)
    for sample, (image, target) in loaded:
        yield sample.name, image, target
