"""Frames in, predictions out: several of one size at a time. A predictor is any callable."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

Frame = TypeVar("Frame", bound=tuple[Any, ...])
"""A name or path, an image (H, W, 3), and whatever else belongs to it."""
Predict = Callable[[Sequence[NDArray[Any]]], Sequence[Any]]
"""Images (H, W, 3) uint8 RGB of one size -> what is predicted for each."""


def predicted(
    frames: Iterable[Frame], predict: Predict, batch_size: int = 1
) -> Iterator[tuple[Frame, Any]]:
    """Yield every frame with its prediction, in the order of the frames.

    At most ``batch_size`` frames that follow each other and have one size are predicted together;
    a set of mixed sizes is not sorted, so that its order stays. An exception of the predictor
    passes unchanged, with a note that names the frames.
    """
    for group in _of_one_size(frames, batch_size):
        try:
            found = predict([frame[1] for frame in group])
        except Exception as error:
            names = ", ".join(str(frame[0]) for frame in group)
            error.add_note(f"while predicting frame {names}")
            raise
        yield from zip(group, found, strict=True)


def _of_one_size(frames: Iterable[Frame], most: int) -> Iterator[list[Frame]]:
    group: list[Frame] = []
    for frame in frames:
        if group and frame[1].shape != group[0][1].shape:
            yield group
            group = []
        group.append(frame)
        if len(group) >= most:  # at once: the next frame may be long in coming, or damaged
            yield group
            group = []
    if group:
        yield group
