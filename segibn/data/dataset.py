"""Data room: the one Dataset class. In: sample paths and a label set. Out: uint8 tensors.

What a sample looks like depends on the run's seed and on its position in the run only, so worker
processes, ranks and resumes change nothing, and no worker state has to be saved.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from segibn.data.plan import Draw
from segibn.data.samples import SamplePaths
from segibn.data.transforms import resize_image, resize_target
from segibn.errors import DatasetError, ImageFileError
from segibn.files import read_image, read_label_map
from segibn.labels.label_set import LabelSet

Transform = Callable[
    [np.ndarray, np.ndarray, int, tuple[int, int] | None], tuple[np.ndarray, np.ndarray]
]
Arrays = tuple[np.ndarray, np.ndarray]


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
    if sample.target is None:
        raise DatasetError(f"{sample.image}: its split has no label maps; take another split")
    image = read_image(sample.image)
    label_map = read_label_map(sample.target)
    if image.shape[:2] != label_map.shape:
        raise ImageFileError(
            f"image {sample.image} is {_size_text(image)}, its label map {sample.target} is "
            f"{_size_text(label_map)} (height x width); unpack both again, or leave the frame out "
            "with a file of sample names (`names_file`; for GTA5 also the split train-clean)"
        )
    target = label_set.to_train_ids(label_map, sample.target)
    if resize is None:
        return image, target
    return resize_image(image, resize), resize_target(target, resize)


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
        cache: Sequence[Arrays] | None = None,
    ) -> None:
        """Keep what is needed to produce samples.

        Args:
            samples: labelled samples.
            label_set: reads the label maps' values.
            transform: augments (image, target, seed, focus); None shows the frames as they are.
            seed: the run's seed.
            resize: (H, W) of the frames before the transform; None for native size.
            cache: decoded (image, target) of every sample, already resized; not modified.
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
        image, target = self._arrays(index)
        if self.transform is not None:
            image, target = self.transform(image, target, sample_seed(self.seed, position), focus)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1),
            "target": torch.from_numpy(np.ascontiguousarray(target)),
            "name": sample.name,
            "position": position,
        }

    def _arrays(self, index: int) -> Arrays:
        if self.cache is not None:
            return self.cache[index]
        return load_arrays(self.samples[index], self.label_set, self.resize)


def _size_text(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
