"""Read a picture for prediction: as every other part reads it, with faults in parts.

In: a path to JPEG, PNG, BMP, WebP or TIFF. Out: (H, W, 3) uint8 RGB, upright, or a ``MediaError``
that says what to do.
"""

from pathlib import Path

import numpy as np

from segibn.errors import ImageFileError
from segibn.files import read_image
from segibn.media.faults import as_media_error


def read_upright(path: Path) -> np.ndarray:
    """Decode a picture as `segibn.files.read_image` does.

    Raises:
        MediaError: what that refuses.
    """
    try:
        return read_image(path)
    except ImageFileError as error:
        raise as_media_error(Path(path), error) from error
