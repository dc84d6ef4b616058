"""Evaluation of a callable: frames stream through it, counts come out.

This room knows no model: ``predict`` is any function from an image to train ids, ``frames`` any
iterable. Memory does not grow with the number of frames.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.batches import PredictBatch, predicted
from segibn.evaluation.confusion import Confusion
from segibn.evaluation.scores import Conditions, Scores

Frame = tuple[str, NDArray[np.uint8], NDArray[np.uint8]]
"""(name, image (H, W, 3) uint8 RGB, target (H, W) uint8 train ids or 255)."""


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
    predict: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    frames: Iterable[Frame],
    class_names: Sequence[str],
    *,
    conditions: Conditions,
    predict_batch: PredictBatch | None = None,
    batch_size: int = 1,
    reduce: Callable[[NDArray], NDArray] | None = None,
    progress: Callable[[int], None] | None = None,
    observe: Callable[[str, NDArray, NDArray, NDArray], None] | None = None,
) -> Scores:
    """Score a predictor over frames.

    Runs on every rank, each with its own share of the frames (none twice); shares may differ in
    length, also be empty. The result is the same on all ranks.

    Args:
        predict: image (H, W, 3) uint8 RGB -> train ids (H, W), values in [0, K) or 255.
        frames: (name, image, target) per frame, target (H, W) uint8 train ids or 255.
        class_names: K names in train-id order.
        conditions: what the signature says; an empty ``resolution`` is filled in here.
        predict_batch: images of one size -> what ``predict`` returns for each of them.
        batch_size: how many frames that follow each other and have one size are predicted by it
            together, at most.
        reduce: takes an int64 array, returns its element-wise sum over ranks; None for one process.
        progress: called after each frame with the number of frames done on this rank.
        observe: called after each frame with (name, image, target, pred), for pictures.

    Returns:
        Scores over all ranks' frames.

    Raises:
        ValueError: a prediction or target has a wrong size or value; the message names the frame.
            An exception of ``predict`` passes unchanged, with a note that names the frame.
    """
    confusion = Confusion(len(class_names))
    tally = SizeTally()
    for (name, image, target), found in predicted(frames, predict, predict_batch, batch_size):
        pred = np.asarray(found)
        try:
            confusion.update(target, pred)
        except ValueError as error:
            raise ValueError(f"frame {name}: {error}") from error
        tally.add(*target.shape)
        if observe is not None:
            observe(name, image, target, pred)
        if progress is not None:
            progress(tally.num_images)
    if reduce is not None:
        confusion.reduce(reduce)
        tally = SizeTally(*(int(value) for value in reduce(tally.as_array())))
    if not conditions.resolution:
        conditions = replace(conditions, resolution=tally.resolution())
    return Scores(confusion.counts, tuple(class_names), conditions, tally.num_images)
