"""Data room: what the augmentation asks of a frame, wherever its pixels are.

A frame knows its size before anything is decoded, so the window of a crop is drawn first, and then
only that window is read: from files (frame_files.py), from memory, or from the disk cache
(disk_cache.py). All three give the same pixels.
"""

from typing import Protocol

import numpy as np

from segibn.files.png import Box

Arrays = tuple[np.ndarray, np.ndarray]
"""Image (H, W, 3) uint8 RGB and target (H, W) uint8 train ids, 255 = ignore."""


class Frame(Protocol):
    """One frame and its target."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        ...

    def read(self, box: Box | None = None) -> Arrays:
        """Return the pixels in a window (top, left, bottom, right), None for all of the frame.

        They may be views, so they are not to be modified.
        """
        ...


class ArrayFrame:
    """A frame that is in memory already."""

    def __init__(self, image: np.ndarray, target: np.ndarray) -> None:
        """Keep image (H, W, 3) and target (H, W), uint8."""
        self.image = image
        self.target = target

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.target.shape

    def read(self, box: Box | None = None) -> Arrays:
        """Return the pixels in a window, as views."""
        if box is None:
            return self.image, self.target
        top, left, bottom, right = box
        return self.image[top:bottom, left:right], self.target[top:bottom, left:right]
