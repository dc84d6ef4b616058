"""The training samples as torch datasets of uint8 tensors.

A sample follows from the run's seed and its position in the run only, so worker processes, ranks
and resumes change nothing, and no worker state has to be saved.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Dataset

from segibn.data.frame import Frame, open_frame
from segibn.data.plan import Draw
from segibn.data.samples import SamplePaths
from segibn.data.transforms import TrainTransform
from segibn.labels.label_set import LabelSet


def sample_seed(seed: int, position: int) -> int:
    """Return the 64-bit augmentation seed of the sample at a position of a run (`plan.Draw`)."""
    return int(np.random.SeedSequence((seed, position)).generate_state(1, np.uint64)[0])


@dataclass(frozen=True, eq=False)
class SegmentationDataset(Dataset[dict[str, Any]]):
    """Labelled samples of one data set by `plan.Draw`."""

    samples: Sequence[SamplePaths]
    label_set: LabelSet
    transform: TrainTransform | None = None
    early_transform: TrainTransform | None = None
    """In place of ``transform`` at the positions below ``num_early``."""
    _: KW_ONLY
    num_early: int = 0
    seed: int = 0
    resize: tuple[int, int] | None = None
    """(H, W) of the frames before the transform; None for native size."""
    cache: Sequence[Frame] | None = None
    """Every sample already resized, from `frames.preload` or a `DiskCache`."""

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Draw | tuple[int, int]) -> dict[str, Any]:
        """-> ``image`` (3, H, W), channels last, ``target`` (H, W), ``name``, ``position``."""
        position, index, focus = Draw(*key)
        if self.cache is None:
            frame = open_frame(self.samples[index], self.label_set, self.resize)
        else:
            frame = self.cache[index]
        transform = self.early_transform if position < self.num_early else self.transform
        arrays = frame.read() if transform is None else transform(frame, sample_seed(self.seed, position), focus)
        image, target = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
        return {
            "image": image.permute(2, 0, 1),
            "target": target,
            "name": self.samples[index].name,
            "position": position,
        }


class MixedDataset(ConcatDataset[dict[str, Any]]):
    """Several `SegmentationDataset` of the same classes, in the order of the plan's streams."""

    @property
    def cache(self) -> Sequence[Frame] | None:
        """The cache of the first part that has one."""
        return next((part.cache for part in self.datasets if part.cache is not None), None)

    def __getitem__(self, key: Draw | tuple[int, int]) -> dict[str, Any]:
        draw = Draw(*key)
        number = bisect_right(self.cumulative_sizes, draw.index)
        part = self.datasets[number]
        first = self.cumulative_sizes[number] - len(part)
        return part[draw._replace(index=draw.index - first)]
