"""A small training set decoded once and kept in memory."""

from collections.abc import Sequence

import numpy as np

from segibn.data.frame import Arrays, open_frame
from segibn.data.samples import SamplePaths
from segibn.files.pictures import image_size
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import LabelSet

_BYTES_PER_PIXEL = 4  # three of the image and one of the target
_HEADERS_READ = 64


def preload(
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: tuple[int, int] | None = None,
    *,
    threads: int = 2,
) -> list[Arrays]:
    """Decode every sample, in the order given, and resize it to (H, W); errors as `open_frame`."""
    loaded = map_in_threads(lambda one: open_frame(one, label_set, resize).read(), samples, threads)
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
