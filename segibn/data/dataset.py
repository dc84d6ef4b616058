"""Data room: the one Dataset class. In: sample paths and a label set. Out: uint8 tensors.

What a sample looks like depends on the run's seed and on its position in the run only, so worker
processes, ranks and resumes change nothing, and no worker state has to be saved.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from segibn.data.frame import ArrayFrame, Arrays, Frame
from segibn.data.frame_files import open_frame
from segibn.data.plan import Draw
from segibn.data.samples import SamplePaths
from segibn.labels.label_set import LabelSet


class Transform(Protocol):
    """An augmentation that reads the window it needs from a frame; see `TrainTransform`."""

    def crop_from(self, frame: Frame, seed: int, focus: tuple[int, int] | None = None) -> Arrays:
        """Return image and target of the crop size."""
        ...


def sample_seed(seed: int, position: int) -> int:
    """Return the 64-bit augmentation seed of the sample at a position of a run.

    Args:
        seed: the run's seed, not negative.
        position: how many samples the run has drawn before, over all ranks.
    """
    state = np.random.SeedSequence((seed, position)).generate_state(1, np.uint64)
    return int(state[0])


def load_arrays(
    sample: SamplePaths, label_set: LabelSet, resize: tuple[int, int] | None = None
) -> Arrays:
    """Decode one sample.

    Args:
        sample: paths; the target must not be None.
        label_set: reads the label map's values.
        resize: (H, W) of what comes out, None for the size on disk. Labels take the nearest pixel.

    Returns:
        Image (H, W, 3) uint8 RGB and target (H, W) uint8 train ids, 255 = ignore.

    Raises:
        ImageFileError: a file is unreadable, or the two differ in size.
        LabelValueError: a value outside the label table.
        DatasetError: the sample has no label map.
    """
    return open_frame(sample, label_set, resize).read()


class SegmentationDataset(Dataset[dict[str, Any]]):
    """Samples by `plan.Draw`, as `sampler.PositionSampler` hands them out."""

    def __init__(
        self,
        samples: Sequence[SamplePaths],
        label_set: LabelSet,
        transform: Transform | None = None,
        *,
        seed: int = 0,
        resize: tuple[int, int] | None = None,
        cache: Sequence[Arrays | Frame] | None = None,
    ) -> None:
        """Keep what is needed to produce samples.

        Args:
            samples: labelled samples.
            label_set: reads the label maps' values.
            transform: augments a frame by a seed and maybe a focus; None shows the frames as they
                are.
            seed: the run's seed.
            resize: (H, W) of the frames before the transform; None for native size.
            cache: every sample already resized, decoded in memory (`cache.preload`) or on disk
                (`disk_cache.DiskCache`); not modified.
        """
        self.samples = list(samples)
        self.label_set = label_set
        self.transform = transform
        self.seed = seed
        self.resize = resize
        self.cache = cache

    def __len__(self) -> int:
        """Number of different samples."""
        return len(self.samples)

    def __getitem__(self, key: Draw | tuple[int, int]) -> dict[str, Any]:
        """Return the sample ``index`` as it looks at ``position`` of the run.

        Args:
            key: (position, index) or (position, index, focus).

        Returns:
            ``image`` (3, H, W) uint8 RGB, channels last in memory, ``target`` (H, W) uint8 train
            ids (255 = ignore), ``name`` and ``position``.
        """
        position, index, focus = Draw(*key)
        sample = self.samples[index]
        frame = self._frame(index)
        if self.transform is None:
            image, target = frame.read()
        else:
            image, target = self.transform.crop_from(frame, sample_seed(self.seed, position), focus)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1),
            "target": torch.from_numpy(np.ascontiguousarray(target)),
            "name": sample.name,
            "position": position,
        }

    def _frame(self, index: int) -> Frame:
        if self.cache is None:
            return open_frame(self.samples[index], self.label_set, self.resize)
        cached = self.cache[index]
        return ArrayFrame(*cached) if isinstance(cached, tuple) else cached
