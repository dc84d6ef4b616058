"""Evaluation of a callable: frames stream through it and into measures.

This room knows no model: ``predict`` is any function from images to train ids, ``frames`` any
iterable. Memory does not grow with the number of frames, except for the few numbers that are kept
of each (``frame_counts``; 600 bytes a frame for 19 classes).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.batches import Predict, predicted
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.frame_counts import FrameTally
from segibn.evaluation.measure import Frame, FramePrediction, Measure, Needs, Reduce
from segibn.evaluation.scores import Conditions, Scores


class ScoreTally:
    """The measure that every evaluation has: confusion, counts of each frame, sizes -> ``Scores``.

    Args:
        conditions: what the signature says; an empty ``resolution`` is filled in.
        frame_names: of all ranks' frames in the order of the set, the same on every rank.
        count: target, labels, K -> (K, K+1) counts of a frame, for labels that are not in NumPy.
    """

    needs: ClassVar[Needs] = "counts"

    def __init__(
        self,
        class_names: Sequence[str],
        conditions: Conditions,
        frame_names: Sequence[str],
        count: Callable[[NDArray[np.uint8], Any, int], NDArray[np.int64]] = count_classes,
    ) -> None:
        k = len(class_names)
        self._class_names, self._conditions = tuple(class_names), conditions
        self._frame_names, self._count = tuple(frame_names), count
        self._confusion = np.zeros((k, k + 1), np.int64)
        self._frames = FrameTally(k, frame_names)
        self._sizes = np.zeros(5, np.int64)  # frames, and the sums of H, W, H^2, W^2

    def update(self, frame: Frame, prediction: FramePrediction) -> None:
        """Count one frame."""
        counts = self._count(frame.target, prediction.labels, len(self._class_names))
        self.add(frame.name, counts, frame.target.shape)

    def add(self, name: str, counts: NDArray[np.int64], size: tuple[int, ...]) -> None:
        """Add a frame of (H, W) pixels that was counted elsewhere, (K, K+1)."""
        self._frames.add(name, counts)
        self._confusion += counts
        height, width = size
        self._sizes += (1, height, width, height**2, width**2)

    def reduce(self, sum_over_ranks: Reduce) -> None:
        """Add up over ranks."""
        self._sizes = np.asarray(sum_over_ranks(self._sizes))
        self._confusion = np.asarray(sum_over_ranks(self._confusion))
        self._frames.reduce(sum_over_ranks)

    def result(self) -> Scores:
        """Return the scores."""
        given = self._conditions
        return Scores(
            self._confusion,
            self._class_names,
            replace(given, resolution=given.resolution or self._resolution()),
            int(self._sizes[0]),
            frames=self._frame_names,
            frame_counts=self._frames.result(),
        )

    def _resolution(self) -> str:
        """Return "HxW" when all frames share one size, else "mixed" ("none" without frames)."""
        n, height, width, height_squared, width_squared = self._sizes.tolist()
        if n == 0:
            return "none"
        # Equality in Cauchy-Schwarz: n * sum(h^2) == sum(h)^2 holds exactly for equal heights.
        same = n * height_squared == height**2 and n * width_squared == width**2
        return f"{height // n}x{width // n}" if same else "mixed"


def evaluate(
    predict: Predict,
    frames: Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]],
    measures: Sequence[Measure],
    *,
    batch_size: int = 1,
    reduce: Reduce | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Any]:
    """Measure a predictor over frames -> the result of each measure, the same on all ranks.

    Every rank has its own share of the frames (none twice); shares may differ in length, also be
    empty.

    Args:
        predict: images (H, W, 3) uint8 RGB of one size -> train ids (H, W) of each, in [0, K) or
            255; or pairs of these and the confidence (H, W), where a measure needs it.
        frames: (name, image, target), target (H, W) uint8 train ids or 255.
        measures: a ``ScoreTally`` for scores, and what else is wanted.
        batch_size: how many frames that follow each other and have one size are predicted
            together, at most.
        progress: called after each frame with the number of frames done on this rank.

    A ValueError names a frame that has a wrong size or value, or is scored twice; an exception of
    ``predict`` passes unchanged, with a note.
    """
    for done, (given, found) in enumerate(predicted(frames, predict, batch_size), start=1):
        frame = Frame(*given)
        prediction = FramePrediction(*found) if isinstance(found, tuple) else FramePrediction(found)
        try:
            for measure in measures:
                measure.update(frame, prediction)
        except ValueError as error:
            raise ValueError(f"frame {frame.name}: {error}") from error
        if progress is not None:
            progress(done)
    if reduce is not None:
        for measure in measures:
            measure.reduce(reduce)
    return [measure.result() for measure in measures]
