"""A label map that came as bytes: everything that is wrong with it, and its values.

In: the bytes of a PNG and the size that it should have. Out: faults, each a plural that names no
file, so that several files can share it; and the values if they can be read. Nothing is inflated
before the header has said how large it is.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from segibn.files import png

_MAX_LARGER = 4  # a map of so many times the pixels is still decoded, to look at its values


def examine_label_png(data: bytes, size: tuple[int, int]) -> tuple[list[str], np.ndarray | None]:
    """Examine what should be an 8-bit grey PNG of a given size.

    Args:
        data: the whole file.
        size: (H, W) that it should have.

    Returns:
        The faults, and the (h, w) uint8 values as stored; None where they cannot be read, are of
        another kind, or are many more than the size has.
    """
    if not data.startswith(png.SIGNATURE):
        return ["files that are no PNGs"], None
    try:
        layout = png.read_layout(data)
        png.verify(data, layout)
    except ValueError as error:
        return ["truncated PNGs" if str(error) == png.TRUNCATED else "damaged PNGs"], None
    faults = []
    is_grey = (layout.bits, layout.color_type) == (8, png.GREY)
    if not is_grey:
        kind = f"{layout.bits}-bit {png.KINDS[layout.color_type]}"
        faults.append(f"{kind} PNGs (must be 8-bit grey, mode L)")
    height, width = layout.size
    if layout.size != tuple(size):
        found, wanted = f"{height}x{width}", f"{size[0]}x{size[1]}"
        faults.append(f"maps of {found} instead of {wanted} (H x W)")
    if not is_grey or height * width > _MAX_LARGER * size[0] * size[1]:
        return faults, None
    try:
        values = png.decode_window(data, layout) if layout.is_plain else _by_pillow(data)
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error):
        return [*faults, "damaged PNGs"], None
    return faults, values


def _by_pillow(data: bytes) -> np.ndarray:
    """Decode the rarer forms: interlaced, with a transparent grey."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return np.array(image, np.uint8)
