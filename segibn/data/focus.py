"""Draw a class, then a frame that shows it and a point of it there, which the crop must contain.

Class-uniform sampling: RobustNet, ``datasets/uniform.py``, from NVIDIA's segmentation code. Rare
class sampling: DAFormer, arXiv 2111.14887, section 3.2, and ``mmseg/datasets/uda_dataset.py``.
"""

import numpy as np

from segibn.data.class_index import ClassIndex

Point = tuple[int, int]  # row and column of a pixel of a frame


class FocusTable:
    """Draws (frame, point) with given probabilities of the classes, (K,) float64, sum 1.

    ``by_frame`` draws a frame of the class, then a point in it, not any point of the class; a frame
    counts for a class from ``min_pixels`` of it on.
    """

    def __init__(self, index: ClassIndex, probabilities: np.ndarray, *, by_frame: bool, min_pixels: int = 1) -> None:
        chosen = np.flatnonzero(index.pixels[index.frame, index.train_id] >= min_pixels)
        order = chosen[np.argsort(index.train_id[chosen], kind="stable")]
        self._frame, self._place = index.frame[order], index.place[order]
        self._ends = np.cumsum(np.bincount(index.train_id[order], minlength=len(probabilities)))
        self._by_frame = by_frame
        self._starts: dict[int, list[int]] = {}
        self.probabilities = probabilities

    def draw(self, rng: np.random.Generator) -> tuple[int, Point]:
        """Draw a frame and a point in it."""
        train_id = int(rng.choice(len(self.probabilities), p=self.probabilities))
        first = int(self._ends[train_id - 1]) if train_id else 0
        stop = int(self._ends[train_id])
        if self._by_frame:
            starts = self._starts_of(train_id, first, stop)
            chosen = int(rng.integers(len(starts) - 1))
            first, stop = starts[chosen], starts[chosen + 1]
        chosen = int(rng.integers(first, stop))
        row, column = self._place[chosen].tolist()
        return int(self._frame[chosen]), (row, column)

    def _starts_of(self, train_id: int, first: int, stop: int) -> list[int]:
        """Where the points of each frame of a class begin, and where the last one's end."""
        if train_id not in self._starts:
            changes = np.flatnonzero(np.diff(self._frame[first:stop])) + 1 + first
            self._starts[train_id] = [first, *changes.tolist(), stop]
        return self._starts[train_id]


def class_uniform_probabilities(index: ClassIndex) -> np.ndarray:
    """Return (K,) float64: the same for every class that some frame shows, 0 for the others."""
    # RobustNet counts the absent classes in too, and shows the fewer points for it.
    shown = index.pixels.any(axis=0)
    return shown / shown.sum()


def rare_class_probabilities(index: ClassIndex, temperature: float, min_pixels: int) -> np.ndarray:
    """Return (K,) float64: softmax((1 - f) / temperature), f a class's share of the pixels.

    Classes that no frame has ``min_pixels`` of get 0. The share is of all pixels that have a class,
    as in DAFormer's script; the paper's formula counts ignored ones in.
    """
    pixels = index.pixels.sum(axis=0)
    exponent = (1 - pixels / max(1, pixels.sum())) / temperature
    available = (index.pixels >= min_pixels).any(axis=0)
    highest = exponent[available].max(initial=-np.inf)
    weights = np.where(available, np.exp(np.minimum(exponent - highest, 0)), 0.0)
    return weights / weights.sum()
