"""A label map that came as bytes: decoded whole, or refused with the reason.

In: the bytes of a PNG and the size that it must have. Out: its values. The reasons are plural and
name no file, so that several files can share one. Nothing is inflated before kind and size are
known.
"""

import io
import zlib

import numpy as np
from PIL import Image

from segibn.errors import ImageFileError
from segibn.files import png

_KINDS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


def decode_label_png(data: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode an 8-bit grey PNG.

    Args:
        data: the whole file.
        size: (H, W) that it must have.

    Returns:
        (H, W) uint8 values as stored.

    Raises:
        ImageFileError: another kind of file or of PNG, another size, truncated or damaged.
    """
    if not data.startswith(png.SIGNATURE):
        raise ImageFileError("files that are no PNGs")
    _require_whole_chunks(data)
    header = data[16:29]
    bits, color_type = header[8], header[9]
    if (bits, color_type) != (8, png.GREY):
        kind = f"{bits}-bit {_KINDS.get(color_type, 'unknown')}"
        raise ImageFileError(f"{kind} PNGs (must be 8-bit grey, mode L)")
    found = int.from_bytes(header[4:8], "big"), int.from_bytes(header[:4], "big")
    if found != tuple(size):
        raise ImageFileError(f"maps of {_text(found)} instead of {_text(size)} (H x W)")
    layout = png.read_layout(data)
    values = _by_pillow(data) if layout is None else png.decode_window(data, layout)
    if values is None or values.shape != found:
        raise ImageFileError("damaged PNGs")
    return values


def _require_whole_chunks(data: bytes) -> None:
    """Raise ImageFileError unless every chunk from IHDR to IEND is there with its checksum."""
    position, kind = len(png.SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        kind, stop = data[position + 4 : position + 8], position + 8 + length
        if stop + 4 > len(data):
            raise ImageFileError("truncated PNGs")
        is_first = position == len(png.SIGNATURE)
        checksum = int.from_bytes(data[stop : stop + 4], "big")
        if zlib.crc32(memoryview(data)[position + 4 : stop]) != checksum:
            raise ImageFileError("damaged PNGs")
        if is_first and (kind, length) != (b"IHDR", 13):
            raise ImageFileError("damaged PNGs")
        position = stop + 4


def _by_pillow(data: bytes) -> np.ndarray | None:
    """Decode the rarer forms (interlaced, with a transparent grey); None if damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return np.array(image, np.uint8) if image.mode == "L" else None
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError):
        return None


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
