"""Decode a window of a PNG: the rows and columns that it needs, and nothing below or to the right.

In: the bytes of a PNG. Out: its pixels in a window, exactly those that any decoder gives.

A PNG is one zlib stream of rows, in which a pixel is stored as the difference to a guess from its
left, upper and upper left neighbours (PNG specification, section 9). Nothing can be skipped on the
left, and above only down to a row that does not look up. So libdeflate inflates the stream, the
corner up to the window's end is cut out of the rows and wrapped, uncompressed, into a smaller PNG,
and libpng undoes the differences in that. Both come with imagecodecs, whose builds are faster than
the zlib and libpng inside OpenCV.

Kinds of PNG that are rare in data sets (16 bits, interlaced, animated ...), damaged ones, and all
where imagecodecs is not installed are left to the caller's decoder: every function here returns
None for them.
"""

import struct
import threading
from dataclasses import dataclass

import numpy as np

try:
    import imagecodecs
except ImportError:  # of the extra train; without it the caller's decoder reads every picture
    imagecodecs = None

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; the last two are outside."""

_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1}
_HEADER = struct.Struct(">IIBBBBB")
_LEAVE = (b"acTL", b"tRNS")  # animation, transparency: decoders differ in what they make of them
_MAX_PIXELS = 1 << 28
_STORED_MAX = 65_535  # bytes in one uncompressed block of a zlib stream (RFC 1951, 3.2.4)
_KEPT_MAX = 1 << 25  # a larger buffer is not kept for the next picture


@dataclass(frozen=True)
class PngLayout:
    """What the header says, and where the compressed rows are.

    Attributes:
        size: (H, W).
        color_type: GREY, RGB or PALETTE, all of 8 bits.
        parts: (start, stop) of each IDAT chunk's content in the file.
    """

    size: tuple[int, int]
    color_type: int
    parts: tuple[tuple[int, int], ...]


def read_layout(data: bytes) -> PngLayout | None:
    """Find the compressed rows of an 8-bit PNG; None for every other kind and for damaged ones."""
    if imagecodecs is None:
        return None
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height, bits, color_type, _, _, interlaced = _HEADER.unpack_from(data, 16)
    if bits != 8 or color_type not in _CHANNELS or interlaced:
        return None
    if not 0 < width * height <= _MAX_PIXELS or 1 + 3 * width > _STORED_MAX:
        return None
    parts = []
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if kind == b"IDAT":
            parts.append((position + 8, position + 8 + length))
        elif kind in _LEAVE:
            return None
        elif kind == b"IEND":
            return PngLayout((height, width), color_type, tuple(parts))
        position += 12 + length
    return None


def decode_window(data: bytes, layout: PngLayout, box: Box | None = None) -> np.ndarray | None:
    """Decode the pixels in ``box``.

    Args:
        data: the whole file.
        layout: of it.
        box: None for the whole picture.

    Returns:
        (h, w, 3) for RGB, (h, w) for grey and for a palette's indices, uint8. A view of what had
        to be decoded, which is more than the window. None if the data is damaged.
    """
    top, left, bottom, right = box or (0, 0, *layout.size)
    channels = _CHANNELS[layout.color_type]
    rows = _inflate(data, layout, channels)
    if rows is None:
        return None
    # A row of filter type 0 or 1 looks at nothing above it, so decoding can begin there.
    starts = np.flatnonzero(rows[: top + 1, 0] <= 1)
    first = int(starts[-1]) if len(starts) else 0
    corner = _wrap(rows[first:bottom, : 1 + right * channels], channels)
    try:
        pixels = imagecodecs.png_decode(corner)
    except imagecodecs.PngError:  # a filter type that does not exist
        return None
    return pixels[top - first :, left:]


class _Buffers(threading.local):
    """Memory that one picture after the other is unpacked into, for each thread."""

    def __init__(self) -> None:
        self.kept: dict[str, np.ndarray] = {}

    def take(self, name: str, size: int) -> np.ndarray:
        """Return ``size`` bytes, not cleared; their content holds until the next such call."""
        found = self.kept.get(name)
        if found is None or found.size < size:
            found = np.empty(size, np.uint8)
            if size <= _KEPT_MAX:
                self.kept[name] = found
        return found[:size]


_buffers = _Buffers()


def _inflate(data: bytes, layout: PngLayout, channels: int) -> np.ndarray | None:
    """Uncompressed rows (H, 1 + W * channels), each its filter type and its differences."""
    view = memoryview(data)
    for start, stop in layout.parts:
        # The checksum stands behind the content and covers the type in front of it.
        expected = data[stop : stop + 4]
        if imagecodecs.deflate_crc32(view[start - 4 : stop]).to_bytes(4, "big") != expected:
            return None
    stream = b"".join(view[start:stop] for start, stop in layout.parts)
    height, width = layout.size
    shape = (height, 1 + width * channels)
    rows = _buffers.take("rows", shape[0] * shape[1])
    try:
        got = imagecodecs.deflate_decode(stream, out=memoryview(rows))
    except imagecodecs.DeflateError:
        return None
    return rows.reshape(shape) if len(got) == rows.size else None


def _wrap(rows: np.ndarray, channels: int) -> np.ndarray:
    """Make an uncompressed PNG of rows (H, 1 + W * channels) that are a PNG's own."""
    height, length = rows.shape
    per_block = _STORED_MAX // length
    blocks, rest = divmod(height, per_block)
    stored = height * length + 5 * (blocks + (rest > 0))
    color_type = RGB if channels == 3 else GREY
    shape = _HEADER.pack((length - 1) // channels, height, 8, color_type, 0, 0, 0)
    head = SIGNATURE + _chunk(b"IHDR", shape) + struct.pack(">I4s", stored + 6, b"IDAT") + b"\x78\1"
    png = _buffers.take("png", len(head) + stored + 8 + 12)
    memory = memoryview(png)
    memory[: len(head)] = head
    position, checksum = len(head), 1
    for first in range(0, height, per_block):
        piece = rows[first : first + per_block]
        is_last = first + per_block >= height
        memory[position : position + 5] = struct.pack(
            "<BHH", is_last, piece.size, _STORED_MAX - piece.size
        )
        block = png[position + 5 : position + 5 + piece.size]
        block.reshape(piece.shape)[:] = piece
        checksum = imagecodecs.deflate_adler32(block, checksum)
        position += 5 + piece.size
    memory[position : position + 4] = checksum.to_bytes(4, "big")
    covered = memory[len(head) - 6 : position + 4]  # the chunk's type and its content
    memory[position + 4 : position + 8] = imagecodecs.deflate_crc32(covered).to_bytes(4, "big")
    memory[position + 8 :] = _chunk(b"IEND", b"")
    return png


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = imagecodecs.deflate_crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
