"""Frames in, predictions out: several of one size at a time. A predictor is any callable."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, TypeVar

from numpy.typing import NDArray

Frame = TypeVar("Frame", bound=tuple[Any, ...])
"""A name or path, an image (H, W, 3), and whatever else belongs to it."""
Predict = Callable[[Sequence[NDArray[Any]]], Sequence[Any]]
"""Images (H, W, 3) uint8 RGB of one size -> what is predicted for each."""


def predicted(frames: Iterable[Frame], predict: Predict, batch_size: int = 1) -> Iterator[tuple[Frame, Any]]:
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
