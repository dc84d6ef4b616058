"""Data room: decode a small training set once and keep it in memory.

In: samples. Out: one (image, target) a sample. The size is estimated from the files' headers, and
refused before any work is done if it is above the limit.
"""

from collections.abc import Sequence

import numpy as np

from segibn.data.dataset import load_arrays
from segibn.data.frame import Arrays
from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError
from segibn.files import image_size
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import LabelSet

_BYTES_PER_PIXEL = 4
"""Three of the image and one of the target."""

_HEADERS_READ = 64


def preload(
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: tuple[int, int] | None = None,
    *,
    limit_gib: float = 8.0,
    threads: int = 2,
) -> list[Arrays]:
    """Decode and resize every sample.

    Args:
        samples: labelled samples.
        label_set: reads the label maps' values.
        resize: (H, W) to keep, None for native size.
        limit_gib: most memory that the result may take.
        threads: how many decode at a time (OpenCV releases the interpreter lock).

    Returns:
        For each sample its image (H, W, 3) and target (H, W), uint8, in the order given.

    Raises:
        DatasetError: the estimate is above ``limit_gib``.
        ImageFileError: a file is unreadable, or image and label map differ in size.
    """
    need = estimate_gib(samples, resize)
    if need > limit_gib:
        raise DatasetError(
            f"cache: memory would take about {need:.1f} GiB for {len(samples):,} samples, more "
            f"than data.cache_limit_gib {limit_gib:g}; set `cache: none`, a smaller `resize`, or "
            "raise the limit"
        )
    loaded = map_in_threads(lambda one: load_arrays(one, label_set, resize), samples, threads)
    return [arrays for _, arrays in loaded]


def estimate_gib(samples: Sequence[SamplePaths], resize: tuple[int, int] | None) -> float:
    """Estimate the memory of the decoded samples from up to 64 evenly chosen headers."""
    if resize is not None:
        pixels = float(resize[0] * resize[1])
    else:
        count = min(_HEADERS_READ, len(samples))
        chosen = np.linspace(0, len(samples) - 1, count).astype(int)
        pixels = float(np.mean([np.prod(image_size(samples[i].image)) for i in chosen]))
    return len(samples) * pixels * _BYTES_PER_PIXEL / 2**30
