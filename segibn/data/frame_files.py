"""Data room: a frame in the data set's own files. In: paths and a label set. Out: a `Frame`.

Only the window that a crop shows is decoded, and only its label values are mapped.
"""

import cv2
import numpy as np

from segibn.data.frame import ArrayFrame, Arrays, Frame
from segibn.data.samples import SamplePaths
from segibn.data.transforms import resize_image, resize_target
from segibn.errors import DatasetError, ImageFileError
from segibn.files import Picture
from segibn.files.png import Box
from segibn.labels.label_set import LabelSet

_UNKNOWN = 254  # in the table, for values that have no train id; no class has this number


def open_frame(
    sample: SamplePaths, label_set: LabelSet, resize: tuple[int, int] | None = None
) -> Frame:
    """Read the files of a sample and their headers.

    Args:
        sample: paths; the target must not be None.
        label_set: reads the label map's values.
        resize: (H, W) that the frame gets, None for the size on disk; with it, the whole frame is
            decoded at once.

    Raises:
        ImageFileError: a file is unreadable, or the two differ in size.
        DatasetError: the sample has no label map.
    """
    frame = FileFrame(sample, label_set)
    if resize is None:
        return frame
    image, target = frame.read()
    return ArrayFrame(resize_image(image, resize), resize_target(target, resize))


class FileFrame:
    """A frame at its size on disk."""

    def __init__(self, sample: SamplePaths, label_set: LabelSet) -> None:
        """Read both files; see `open_frame`."""
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
        """Decode a window.

        Raises:
            ImageFileError: a file is damaged, or the label map is none.
            LabelValueError: a value outside the label table, in the window.
        """
        target = self._label_map.label_map(box, self._label_set.storage, self._label_set.colors)
        return self._image.image(box), self._train_ids(target)

    def _train_ids(self, label_map: np.ndarray) -> np.ndarray:
        """As `LabelSet.to_train_ids`, by a look-up in one pass over bytes."""
        lookup = self._label_set.lookup
        train_ids = cv2.LUT(label_map, np.where(lookup < 0, _UNKNOWN, lookup).astype(np.uint8))
        if (train_ids == _UNKNOWN).any():
            return self._label_set.to_train_ids(label_map, self._label_map.path)  # it says which
        return train_ids


def _text(picture: Picture) -> str:
    turned = f", upright by its EXIF orientation {picture.orientation}"
    return "{}x{}".format(*picture.size) + (turned if picture.orientation != 1 else "")
