"""Decode a window of a PNG: the rows and columns that it needs, and nothing below or to the right.

A PNG is one zlib stream of rows, in which a pixel is the difference to a guess from its left, upper and upper left
neighbours (PNG specification, section 9). So the stream is inflated, the corner from a row that does not look up to the
window's end is wrapped, uncompressed, into a smaller PNG, and libpng undoes the differences in that.

Kinds that are rare in data sets (interlaced, animated, less than a byte a pixel ...) are left to
Pillow; for them ``is_plain`` is false. What is damaged is a ``ValueError`` for every kind.
"""

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

try:
    import imagecodecs
except ImportError:  # of the extra train; without it zlib and OpenCV do the same, slower
    imagecodecs = None

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
KINDS = {GREY: "grey", RGB: "RGB", PALETTE: "palette"}
KINDS |= {GREY_ALPHA: "grey with alpha", RGBA: "RGB with alpha"}

Box = tuple[int, int, int, int]  # top, left, bottom, right in pixels; the last two are outside

_SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
_HEADER = struct.Struct(">IIBBBBB")
_LEAVE = {b"acTL", b"fcTL", b"fdAT", b"tRNS"}  # animation, transparency: left to Pillow
_METADATA = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # texts beside the chunk eXIf
_ROW_MAX = 65_535  # bytes; longer rows are left to Pillow, as libpng takes a million pixels at most
_DEFLATE_MOST = 1_040  # no deflate stream grows by more than 1,032 (258 bytes for two bits)

_crc32 = zlib.crc32 if imagecodecs is None else imagecodecs.deflate_crc32
_INFLATE_ERRORS = (zlib.error,) if imagecodecs is None else (zlib.error, imagecodecs.DeflateError)

TRUNCATED = "the file is cut short"
DAMAGED = "its data is damaged"


@dataclass(frozen=True)
class PngLayout:
    """What the header says, and where the chunks are."""

    size: tuple[int, int]  # (H, W)
    bits: int  # of a sample
    color_type: int  # a key of `KINDS`
    is_plain: bool  # `decode_window` takes it: whole bytes, in the order of rows
    parts: tuple[tuple[int, int], ...]  # (start, stop) of each IDAT chunk's content
    others: tuple[tuple[bytes, int, int], ...]  # (type, start, stop) of each other chunk's content
    has_metadata: bool  # a chunk that may hold an orientation

    def palette(self, data: bytes) -> np.ndarray:
        """Return the colours of a plain palette PNG, (n, 3) uint8."""
        start, stop = next(span for kind, *span in self.others if kind == b"PLTE")
        return np.frombuffer(data[start:stop], np.uint8).reshape(-1, 3)


def read_layout(data: bytes) -> PngLayout:
    """Walk over the chunks of a PNG, without their content; ValueError where it is damaged."""
    parts, others = [], []
    position, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        kind, stop = data[position + 4 : position + 8], position + 8 + length
        if stop + 4 > len(data):
            raise ValueError(TRUNCATED)
        is_first = position == len(SIGNATURE)
        if not kind.isalpha() or (is_first and (kind, length) != (b"IHDR", 13)):
            raise ValueError(DAMAGED)
        if kind == b"IDAT":
            parts.append((position + 8, stop))
        else:
            others.append((kind, position + 8, stop))
        position = stop + 4
    width, height, bits, color_type, packing, filters, interlaced = _HEADER.unpack_from(data, 16)
    known = color_type in _SAMPLES and bits in (1, 2, 4, 8, 16) and interlaced in (0, 1)
    if not known or packing or filters or not parts:
        raise ValueError(DAMAGED)
    row_bits = width * bits * _SAMPLES[color_type]
    if height * row_bits > 8 * _DEFLATE_MOST * sum(stop - start for start, stop in parts):
        raise ValueError("it declares more pixels than its data can hold")
    palette = next((stop - start for kind, start, stop in others if kind == b"PLTE"), 0)
    is_plain = (
        bits >= 8
        and not interlaced
        and color_type != GREY_ALPHA
        and width * height > 0
        and row_bits < 8 * _ROW_MAX
        and _LEAVE.isdisjoint(kind for kind, _, _ in others)
        and (color_type != PALETTE or (0 < palette <= 768 and palette % 3 == 0))
    )
    has_metadata = any(k == b"eXIf" or data[start:stop].startswith(_METADATA) for k, start, stop in others)
    return PngLayout((height, width), bits, color_type, is_plain, tuple(parts), tuple(others), has_metadata)


def verify(data: bytes, layout: PngLayout) -> None:
    """Raise ValueError unless every chunk agrees with its checksum."""
    view = memoryview(data)
    for start, stop in [*layout.parts, *(span for _, *span in layout.others)]:
        if _crc32(view[start - 4 : stop]) != int.from_bytes(view[stop : stop + 4], "big"):
            raise ValueError(DAMAGED)


def decode_window(data: bytes, layout: PngLayout, box: Box | None = None) -> np.ndarray:
    """Decode the pixels in ``box`` of a plain PNG; ValueError where it is damaged.

    A view of what had to be decoded: (h, w) for grey and for a palette's indices, (h, w, 3) for
    RGB, (h, w, 4) with alpha; uint8 or, of 16 bits, uint16.
    """
    top, left, bottom, right = box or (0, 0, *layout.size)
    step = _SAMPLES[layout.color_type] * layout.bits // 8
    rows = _inflate(data, layout, step)
    # A row of filter type 0 or 1 looks at nothing above it, so decoding can begin there.
    starts = np.flatnonzero(rows[: top + 1, 0] <= 1)
    first = int(starts[-1]) if len(starts) else 0
    pixels = _unfilter(rows[first:bottom, : 1 + right * step], layout)
    return pixels[top - first :, left:]


def _inflate(data: bytes, layout: PngLayout, step: int) -> np.ndarray:
    """Inflate the rows (H, 1 + W * step), each its filter type and its differences."""
    verify(data, layout)
    view = memoryview(data)
    stream = b"".join(view[start:stop] for start, stop in layout.parts)
    height, width = layout.size
    shape = (height, 1 + width * step)
    size = shape[0] * shape[1]
    try:
        if imagecodecs is None:
            inflater = zlib.decompressobj()
            flat = inflater.decompress(stream, size + 1)
            is_whole = len(flat) == size and inflater.eof
        else:
            flat = imagecodecs.deflate_decode(stream, out=size)
            is_whole = len(flat) == size
    except _INFLATE_ERRORS as error:
        raise ValueError(DAMAGED) from error
    if not is_whole:
        raise ValueError(DAMAGED)
    rows = np.frombuffer(flat, np.uint8).reshape(shape)
    if rows[:, 0].max() > 4:  # a filter type that does not exist
        raise ValueError(DAMAGED)
    return rows


def _unfilter(rows: np.ndarray, layout: PngLayout) -> np.ndarray:
    """Undo the differences of rows (h, 1 + bytes of the pixels), which are a PNG's own."""
    corner = _wrap(rows, layout)
    if imagecodecs is not None:
        return imagecodecs.png_decode(corner)
    pixels = cv2.imdecode(corner, cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2:
        return pixels
    swap = cv2.COLOR_BGR2RGB if layout.color_type == RGB else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(pixels, swap, dst=pixels)


def _wrap(rows: np.ndarray, layout: PngLayout) -> np.ndarray:
    """Make an uncompressed PNG of such rows."""
    height, length = rows.shape
    color_type = GREY if layout.color_type == PALETTE else layout.color_type
    width = 8 * (length - 1) // (_SAMPLES[color_type] * layout.bits)
    header = _HEADER.pack(width, height, layout.bits, color_type, 0, 0, 0)
    rows = np.ascontiguousarray(rows)
    stream = zlib.compress(rows, 0) if imagecodecs is None else imagecodecs.deflate_encode(rows, level=0)
    chunks = {b"IHDR": header, b"IDAT": stream, b"IEND": b""}
    parts = [SIGNATURE]
    for kind, content in chunks.items():
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", _crc32(content, _crc32(kind)))]
    return np.frombuffer(b"".join(parts), np.uint8)
