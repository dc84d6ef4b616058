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

_HEADER_BYTES = 33  # signature and the whole IHDR chunk
_END = b"IEND\xaeB\x60\x82"  # the last chunk's type and its constant checksum
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
    header = data[:_HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[12:16] != b"IHDR":
        raise ImageFileError("truncated PNGs")
    if zlib.crc32(header[12:29]) != int.from_bytes(header[29:33], "big"):
        raise ImageFileError("damaged PNGs")
    bits, color_type = header[24], header[25]
    if (bits, color_type) != (8, png.GREY):
        kind = f"{bits}-bit {_KINDS.get(color_type, 'unknown')}"
        raise ImageFileError(f"{kind} PNGs (must be 8-bit grey, mode L)")
    found = int.from_bytes(header[20:24], "big"), int.from_bytes(header[16:20], "big")
    if found != tuple(size):
        raise ImageFileError(f"maps of {_text(found)} instead of {_text(size)} (H x W)")
    if data.rfind(_END) < _HEADER_BYTES:
        raise ImageFileError("truncated PNGs")
    layout = png.read_layout(data)
    values = _by_pillow(data) if layout is None else png.decode_window(data, layout)
    if values is None or values.shape != found:
        raise ImageFileError("damaged PNGs")
    return values


def _by_pillow(data: bytes) -> np.ndarray | None:
    """Decode the rarer forms (interlaced, with a transparent grey); None if damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return np.array(image, np.uint8) if image.mode == "L" else None
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError):
        return None


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
