"""Evaluation of a callable: frames stream through it, counts come out.

This room knows no model: ``predict`` is any function from an image to train ids, ``frames`` any
iterable. Memory does not grow with the number of frames, except for the few numbers that are kept
of each (``frame_counts``; 600 bytes a frame for 19 classes).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.batches import PredictBatch, predicted
from segibn.evaluation.boundary import BoundaryCounts
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.confusion import Confusion
from segibn.evaluation.frame_counts import FrameTally
from segibn.evaluation.scores import Conditions, Scores

Frame = tuple[str, NDArray[np.uint8], NDArray[np.uint8]]
"""(name, image (H, W, 3) uint8 RGB, target (H, W) uint8 train ids or 255)."""
Reduce = Callable[[NDArray[Any]], NDArray[Any]]
Count = Callable[[NDArray[np.uint8], Any], NDArray[np.int64]]


@dataclass
class SizeTally:
    """Frame count and sizes as sums, so that ranks can be added up like pixel counts."""

    num_images: int = 0
    height: int = 0
    width: int = 0
    height_squared: int = 0
    width_squared: int = 0

    def add(self, height: int, width: int) -> None:
        """Count one frame of H x W pixels."""
        self.num_images += 1
        self.height += height
        self.width += width
        self.height_squared += height * height
        self.width_squared += width * width

    def as_array(self) -> NDArray[np.int64]:
        """Return the five sums, (5,) int64; their inverse is ``SizeTally(*map(int, array))``."""
        sums = (self.num_images, self.height, self.width, self.height_squared, self.width_squared)
        return np.array(sums, dtype=np.int64)

    def resolution(self) -> str:
        """Return "HxW" when all frames share one size, else "mixed" ("none" without frames)."""
        n = self.num_images
        if n == 0:
            return "none"
        # Equality in Cauchy-Schwarz: n * sum(h^2) == sum(h)^2 holds exactly for equal heights.
        same_height = n * self.height_squared == self.height**2
        same_width = n * self.width_squared == self.width**2
        return f"{self.height // n}x{self.width // n}" if same_height and same_width else "mixed"


def evaluate(
    predict: Callable[[NDArray[np.uint8]], Any],
    frames: Iterable[Frame],
    class_names: Sequence[str],
    *,
    conditions: Conditions,
    predict_batch: PredictBatch | None = None,
    batch_size: int = 1,
    frame_names: Sequence[str] | None = None,
    boundary: BoundaryCounts | None = None,
    calibration: Calibration | None = None,
    count: Count | None = None,
    reduce: Reduce | None = None,
    progress: Callable[[int], None] | None = None,
    observe: Callable[[str, NDArray[Any], NDArray[Any], NDArray[Any]], None] | None = None,
) -> Scores:
    """Score a predictor over frames.

    Runs on every rank, each with its own share of the frames (none twice); shares may differ in
    length, also be empty. The result is the same on all ranks.

    Args:
        predict: image (H, W, 3) uint8 RGB -> train ids (H, W), values in [0, K) or 255; with
            ``calibration`` a pair of these and the confidence (H, W), float in 0..1.
        frames: (name, image, target) per frame, target (H, W) uint8 train ids or 255.
        class_names: K names in train-id order.
        conditions: what the signature says; an empty ``resolution`` is filled in here.
        predict_batch: images of one size -> what ``predict`` returns for each of them.
        batch_size: how many frames that follow each other and have one size are predicted by it
            together, at most.
        frame_names: of all ranks' frames in the order of the set, the same on every rank. With them
            the scores hold the counts of each frame; without them they do in one process only.
        boundary: empty; filled, and put into the details of the scores. The same on every rank.
        calibration: likewise.
        count: target and what ``predict`` returned -> (K, K+1) int64 counts of the frame, for
            predictions that are no arrays of this process's memory; None = they are. Leaves no
            maps for ``boundary``, ``calibration`` and ``observe``.
        reduce: takes an int64 array, returns its element-wise sum over ranks; None for one process.
        progress: called after each frame with the number of frames done on this rank.
        observe: called after each frame with (name, image, target, pred), for pictures.

    Returns:
        Scores over all ranks' frames.

    Raises:
        ValueError: ``count`` together with what needs maps; a prediction or target has a wrong size
            or value, or a frame is scored twice; the message names the frame. An exception of
            ``predict`` passes unchanged, with a note that names the frame.
    """
    if count is not None and any(needs is not None for needs in (boundary, calibration, observe)):
        raise ValueError("count leaves no maps for boundary, calibration or observe")
    counts = _Counts(class_names, frame_names, boundary, calibration, reduce)
    for (name, image, target), found in predicted(frames, predict, predict_batch, batch_size):
        pred, confidence = found if calibration is not None else (found, None)
        try:
            if count is not None:
                counts.add_counts(name, target, count(target, pred))
            else:
                pred = np.asarray(pred)
                counts.add(name, target, pred, confidence)
        except ValueError as error:
            raise ValueError(f"frame {name}: {error}") from error
        if observe is not None:
            observe(name, image, target, pred)
        if progress is not None:
            progress(counts.sizes.num_images)
    return counts.scores(conditions)


class _Counts:
    """Everything that is counted while frames stream by; arguments as in ``evaluate``."""

    def __init__(
        self,
        class_names: Sequence[str],
        frame_names: Sequence[str] | None,
        boundary: BoundaryCounts | None,
        calibration: Calibration | None,
        reduce: Reduce | None,
    ) -> None:
        self.class_names = tuple(class_names)
        self.frame_names = tuple(frame_names or ())
        self.confusion = Confusion(len(class_names))
        self.sizes = SizeTally()
        keeps_frames = frame_names is not None or reduce is None
        self.frames = FrameTally(len(class_names), frame_names) if keeps_frames else None
        self.boundary = boundary
        self.calibration = calibration
        self.reduce = reduce

    def add(
        self, name: str, target: NDArray[Any], pred: NDArray[Any], confidence: NDArray[Any] | None
    ) -> None:
        """Count one frame."""
        counts = self.confusion.update(target, pred)
        self._keep(name, target, counts)
        if self.boundary is not None:
            self.boundary.update(target, pred)
        if self.calibration is not None and confidence is not None:
            self.calibration.update(target, pred, confidence)

    def add_counts(self, name: str, target: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add a frame that was counted elsewhere, (K, K+1)."""
        self.confusion.add_counts(counts)
        self._keep(name, target, counts)

    def _keep(self, name: str, target: NDArray[Any], counts: NDArray[np.int64]) -> None:
        if self.frames is not None:
            self.frames.add(name, counts)
        self.sizes.add(*target.shape)

    def scores(self, conditions: Conditions) -> Scores:
        """Add up over ranks; every rank must call it."""
        sizes = self.sizes
        if self.reduce is not None:
            sizes = SizeTally(*(int(value) for value in self.reduce(sizes.as_array())))
            for part in (self.confusion, self.boundary, self.calibration):
                if part is not None:
                    part.reduce(self.reduce)
        if not conditions.resolution:
            conditions = replace(conditions, resolution=sizes.resolution())
        details: dict[str, Any] = {}
        if self.boundary is not None:
            details["boundary"] = self.boundary.to_dict(self.class_names)
        if self.calibration is not None:
            details["calibration"] = self.calibration.to_dict()
        return Scores(
            self.confusion.counts,
            self.class_names,
            conditions,
            sizes.num_images,
            frames=self.frame_names,
            frame_counts=None if self.frames is None else self.frames.collect(self.reduce),
            details=details,
        )
