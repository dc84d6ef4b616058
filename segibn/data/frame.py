"""One training frame and its target, of known size, of which only a crop's window is decoded."""

from typing import Protocol

import cv2
import numpy as np

from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError, ImageFileError
from segibn.files.pictures import Picture
from segibn.files.png import Box
from segibn.labels.label_set import LabelSet

Size = tuple[int, int]  # (H, W) in pixels
Arrays = tuple[np.ndarray, np.ndarray]
"""Image (H, W, 3) uint8 RGB and target (H, W) uint8 train ids, 255 = ignore."""


class Frame(Protocol):
    """One frame and its target, in files, in memory or in the disk cache."""

    size: Size

    def read(self, box: Box | None = None) -> Arrays:
        """Return the pixels, maybe views, in a window (top, left, bottom, right); None for all."""
        ...


class ArrayFrame:
    """A frame that is in memory already."""

    def __init__(self, image: np.ndarray, target: np.ndarray) -> None:
        self.image = image
        self.target = target
        self.size: Size = target.shape

    def read(self, box: Box | None = None) -> Arrays:
        """Return views."""
        if box is None:
            return self.image, self.target
        top, left, bottom, right = box
        return self.image[top:bottom, left:right], self.target[top:bottom, left:right]


class FileFrame:
    """A frame in the data set's own files, at its size on disk."""

    def __init__(self, sample: SamplePaths, label_set: LabelSet) -> None:
        if sample.target is None:
            raise DatasetError(f"{sample.image}: its split has no label maps; take another split")
        self._image = Picture(sample.image)
        self._label_map = Picture(sample.target)
        self._label_set = label_set
        self.size = self._image.size
        if self.size != self._label_map.size:
            raise ImageFileError(
                f"image {sample.image} is {_text(self._image)}, its label map {sample.target} is "
                f"{_text(self._label_map)} (height x width); unpack both again, or leave the "
                "frame out with a file of sample names (`names_file`; for GTA5 also the split "
                "train-clean)"
            )

    def read(self, box: Box | None = None) -> Arrays:
        """Decode a window; ImageFileError, LabelValueError as `open_frame`."""
        table = self._label_set
        target = self._label_map.label_map(box, table.storage, table.colors)
        return self._image.image(box), table.to_train_ids(target, self._label_map.path)


def _text(picture: Picture) -> str:
    turned = f", upright by its EXIF orientation {picture.orientation}"
    return "{}x{}".format(*picture.size) + (turned if picture.orientation != 1 else "")


def open_frame(sample: SamplePaths, label_set: LabelSet, resize: Size | None = None) -> Frame:
    """Open a labelled sample; with ``resize``, the (H, W) it gets, all of it is decoded at once.

    ImageFileError: a file is unreadable, or the two differ in size. LabelValueError: a value that
    the table has not. DatasetError: the sample has no label map.
    """
    frame = FileFrame(sample, label_set)
    if resize is None:
        return frame
    image, target = frame.read()
    return ArrayFrame(resize_image(image, resize), resize_target(target, resize))


def resize_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize (H, W, 3) uint8 to ``size``: area when more than halved, else linear."""
    if image.shape[:2] == tuple(size):
        return image
    # Down to one half, linear weights still read every pixel and take a tenth of the time.
    is_halved = image.shape[0] > 2 * size[0] or image.shape[1] > 2 * size[1]
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if is_halved else cv2.INTER_LINEAR)


def resize_target(target: np.ndarray, size: Size) -> np.ndarray:
    """Resize (H, W) uint8 to ``size`` by the nearest pixel centre of the image's grid."""
    if target.shape == tuple(size):
        return target
    return cv2.resize(target, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
