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

_HEADER = struct.Struct(">IIBB")  # the first fields of IHDR: width, height, bits, colour type
_MAX_LARGER = 4  # a map of so many times the pixels is still decoded, to look at its values
_KINDS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


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
    fault = _fault_of_chunks(data)
    if fault:
        return [fault], None
    width, height, bits, color_type = _HEADER.unpack_from(data, 16)
    faults = []
    is_grey = (bits, color_type) == (8, png.GREY)
    if not is_grey:
        kind = f"{bits}-bit {_KINDS.get(color_type, 'unknown')}"
        faults.append(f"{kind} PNGs (must be 8-bit grey, mode L)")
    if (height, width) != tuple(size):
        found, wanted = f"{height}x{width}", f"{size[0]}x{size[1]}"
        faults.append(f"maps of {found} instead of {wanted} (H x W)")
    if not is_grey or height * width > _MAX_LARGER * size[0] * size[1]:
        return faults, None
    layout = png.read_layout(data)
    values = _by_pillow(data) if layout is None else png.decode_window(data, layout)
    if values is None or values.shape != (height, width):
        return [*faults, "damaged PNGs"], None
    return faults, values


def _fault_of_chunks(data: bytes) -> str:
    """Say what is wrong unless every chunk from IHDR to IEND is there with its checksum."""
    position, kind = len(png.SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        kind, stop = data[position + 4 : position + 8], position + 8 + length
        if stop + 4 > len(data):
            return "truncated PNGs"
        checksum = int.from_bytes(data[stop : stop + 4], "big")
        if zlib.crc32(memoryview(data)[position + 4 : stop]) != checksum:
            return "damaged PNGs"
        if position == len(png.SIGNATURE) and (kind, length) != (b"IHDR", 13):
            return "damaged PNGs"
        position = stop + 4
    return ""


def _by_pillow(data: bytes) -> np.ndarray | None:
    """Decode the rarer forms (interlaced, with a transparent grey); None if damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return np.array(image, np.uint8) if image.mode == "L" else None
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError):
        return None
