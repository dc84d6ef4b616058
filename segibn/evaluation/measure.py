"""What can be measured while frames are scored, one frame and its prediction after the other.

A new metric is a ``Metric`` in a file of its own and an entry in ``measures.METRICS``: its option,
its place in the JSON and its printed table follow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segibn.labels.label_set import IGNORE_INDEX

Reduce = Callable[[NDArray[Any]], NDArray[Any]]  # takes an int64 array, returns its element-wise sum over ranks
Needs = Literal["counts", "labels", "confidence"]
"""What a measure takes of a prediction, each including those before it. With "counts" alone label
maps may stay on a GPU; confidences take time and memory for the probabilities."""


class Frame(NamedTuple):
    """One labelled frame."""

    name: str
    image: NDArray[np.uint8] | None  # (H, W, 3) RGB; None where label maps of files are scored
    target: NDArray[np.uint8]  # (H, W) train ids or 255


class FramePrediction(NamedTuple):
    """What was predicted for a frame."""

    labels: Any  # (H, W) uint8 train ids in [0, K) or 255; no NumPy array where no measure needs one
    confidence: NDArray[np.floating] | None = None  # (H, W) in 0..1: probability of the class that was predicted


def confidence_of(frame: Frame, prediction: FramePrediction) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how sure and how right a prediction is of the n pixels with a target, (n,) each."""
    target, confidence = frame.target, np.asarray(prediction.confidence)
    if confidence.shape != target.shape:
        raise ValueError(f"confidence is {confidence.shape}, but target is {target.shape}")
    valid = target != IGNORE_INDEX
    sure = confidence[valid].astype(np.float64)
    if sure.size and not (sure.min() >= 0 and sure.max() <= 1):  # so that NaN is refused too
        raise ValueError("confidences are probabilities in 0..1; these are not")
    return sure, np.asarray(prediction.labels)[valid] == target[valid]


class Measure:
    """Something that is found out while frames stream by."""

    needs: ClassVar[Needs] = "labels"

    def update(self, frame: Frame, prediction: FramePrediction) -> None:
        """Take in one frame of this rank; a ValueError is passed on with the frame's name."""
        raise NotImplementedError

    def reduce(self, sum_over_ranks: Reduce) -> None:
        """Add up over ranks, if there is anything; each calls it once, after its last frame."""

    def result(self) -> Any:
        """Return what was found; of a `Metric` plain JSON values, None for undefined numbers."""


class Metric(Measure):
    """A measure that is a sum of integers over frames, hence exact in any order."""

    name: ClassVar[str]  # of its option and of its entry in the details of ``Scores``
    about: ClassVar[str]
    sums: NDArray[np.int64]  # zeros of its shape, set by a subclass

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)

    def of(self, frame: Frame, prediction: FramePrediction) -> NDArray[np.int64]:
        """Return what one frame adds to ``sums``; may be called from several threads."""
        raise NotImplementedError

    def update(self, frame: Frame, prediction: FramePrediction) -> None:
        """Add one frame."""
        self.sums += self.of(frame, prediction)

    def reduce(self, sum_over_ranks: Reduce) -> None:
        """Replace the sums by those over all ranks."""
        self.sums = np.asarray(sum_over_ranks(self.sums))

    @staticmethod
    def table(found: Mapping[str, Any]) -> str:
        """Return a ``result`` as text."""
        raise NotImplementedError


class Observer(Measure):
    """A measure that hands every frame on, for pictures; finds nothing."""

    def __init__(self, see: Callable[[Frame, FramePrediction], None]) -> None:
        self.update = see  # type: ignore[assignment, method-assign]
