"""Data room: several training sets as one. In: their datasets. Out: samples by one running index.

Each part keeps its own label table, cache and frame size; all give train ids of the same classes.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from torch.utils.data import Dataset

from segibn.data.dataset import Arrays, SegmentationDataset
from segibn.data.plan import Draw


class MixedDataset(Dataset[dict[str, Any]]):
    """Samples of several datasets; the index runs through them in order."""

    def __init__(self, parts: Sequence[SegmentationDataset]) -> None:
        """Keep the parts.

        Args:
            parts: in the order of the plan's streams.
        """
        self.parts = tuple(parts)
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        """Number of different samples."""
        return self._ends[-1]

    @property
    def cache(self) -> Sequence[Arrays] | None:
        """The decoded frames of a part that keeps them in memory; None where no part does."""
        return next((part.cache for part in self.parts if part.cache is not None), None)

    def __getitem__(self, key: Draw | tuple[int, int]) -> dict[str, Any]:
        """Return a sample as its own dataset does; see `SegmentationDataset.__getitem__`."""
        draw = Draw(*key)
        number = bisect_right(self._ends, draw.index)
        first = self._ends[number - 1] if number else 0
        return self.parts[number][draw._replace(index=draw.index - first)]
