"""Evaluation of a callable: frames stream through it and into measures."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.confusion import Counts, count_classes
from segibn.evaluation.frame_counts import FrameCounts, require_distinct
from segibn.evaluation.measure import Frame, FramePrediction, Measure, Needs, Reduce
from segibn.evaluation.metrics import FIELDS, class_counts
from segibn.evaluation.scores import Conditions, Scores

Named = TypeVar("Named", bound=tuple[Any, ...])  # a name or path, an image (H, W, 3), and whatever else belongs to it
Predict = Callable[[Sequence[NDArray[Any]]], Sequence[Any]]
"""Images (H, W, 3) uint8 RGB of one size -> what is predicted for each."""


class ScoreTally(Measure):
    """The measure that every evaluation has: confusion, counts of each frame, sizes -> ``Scores``.

    ``frame_names`` are those of all ranks, in the order of the set. ``count`` takes target, labels
    and K -> (K, K+1), for labels that are not in NumPy.
    """

    needs: ClassVar[Needs] = "counts"

    def __init__(
        self,
        class_names: Sequence[str],
        conditions: Conditions,
        frame_names: Sequence[str],
        count: Callable[[NDArray[np.uint8], Any, int], Counts] = count_classes,
    ) -> None:
        k = len(class_names)
        require_distinct(frame_names)
        self._class_names, self._conditions, self._count = tuple(class_names), conditions, count
        self._places = {name: place for place, name in enumerate(frame_names)}
        self._confusion = np.zeros((k, k + 1), np.int64)
        # Of each frame: H, W, how often it was scored, and its (4, K) counts.
        self._frames = np.zeros((len(frame_names), 3 + len(FIELDS) * k), np.int64)

    def update(self, frame: Frame, prediction: FramePrediction) -> None:
        """Count one frame."""
        counts = self._count(frame.target, prediction.labels, len(self._class_names))
        self.add(frame.name, counts, frame.target.shape)

    def add(self, name: str, counts: Counts, size: tuple[int, ...]) -> None:
        """Add a frame of (H, W) pixels that was counted elsewhere, (K, K+1)."""
        if name not in self._places:
            raise ValueError(f"none of the {len(self._places)} frames that were named beforehand")
        row = self._frames[self._places[name]]
        if row[2]:
            raise ValueError("scored twice; frames must have names of their own")
        row[:] = [*size, 1, *class_counts(counts).ravel()]
        self._confusion += counts

    def reduce(self, sum_over_ranks: Reduce) -> None:
        """Add up over ranks."""
        self._confusion = np.asarray(sum_over_ranks(self._confusion))
        self._frames = np.asarray(sum_over_ranks(self._frames))

    def result(self) -> Scores:
        """Return the scores; a ValueError unless each frame was scored once."""
        names, k = tuple(self._places), len(self._class_names)
        times = zip(names, self._frames[:, 2].tolist(), strict=True)
        if wrong := [f"{name} ({count} times)" for name, count in times if count != 1]:
            raise ValueError(f"every frame must be scored once; not so: {', '.join(wrong[:8])}")
        sizes = {f"{height}x{width}" for height, width in self._frames[:, :2].tolist()}
        resolution = "mixed" if len(sizes) > 1 else next(iter(sizes), "none")
        given = self._conditions
        return Scores(
            self._confusion,
            self._class_names,
            replace(given, resolution=given.resolution or resolution),
            len(names),
            frames=names,
            frame_counts=FrameCounts(names, self._frames[:, 3:].reshape(-1, len(FIELDS), k)),
        )


def predicted(frames: Iterable[Named], predict: Predict, batch_size: int = 1) -> Iterator[tuple[Named, Any]]:
    """Yield every frame with its prediction; frames in a row of one size are predicted together.

    An exception of the predictor passes with a note that names the frames.
    """
    for _, of_one_size in groupby(frames, key=lambda frame: frame[1].shape):
        # A full batch goes at once: the next frame may be long in coming, or damaged.
        while batch := list(islice(of_one_size, max(batch_size, 1))):
            try:
                found = predict([frame[1] for frame in batch])
            except Exception as error:
                names = ", ".join(str(frame[0]) for frame in batch)
                error.add_note(f"while predicting frame {names}")
                raise
            yield from zip(batch, found, strict=True)


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

    Every rank has its own share of the frames (none twice), which may be empty. A ValueError names
    a frame that has a wrong size or value, or is scored twice.

    Args:
        predict: images (H, W, 3) uint8 RGB of one size -> train ids (H, W) of each, in [0, K) or
            255; or pairs of these and the confidence (H, W), where a measure needs it.
        frames: (name, image, target), target (H, W) uint8 train ids or 255.
        measures: a ``ScoreTally`` for scores, and what else is wanted.
        batch_size: see ``predicted``.
        progress: called after each frame with the number of frames done on this rank.
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
