"""Frames as compressed tiles, of which only those under a window are decoded.

A tile of the image holds, row by row, the difference to the row above, compressed by Zstandard at
level 1; one of the target as it is. That is little larger than the PNGs and read several times
faster; plain pixels need three times the disk (`results/benchmarks/data_pipeline.json`).

Legend: R x C tiles, H x W pixels; an index is (R, C, 4) uint32: bytes and CRC-32 of the image's
part, then of the target's; the parts lie one after the other in that order.
"""

from collections.abc import Callable

import numpy as np

from segibn.data.frame import Arrays
from segibn.extras import require
from segibn.files.png import Box

try:
    import imagecodecs
except ImportError:  # of the extra train, which `require_codecs` asks for
    imagecodecs = None

# (H, W) in pixels; smaller ones cost calls, larger ones rows and columns that nobody asked for.
TILE = (128, 256)
_LEVEL = 1


def require_codecs() -> None:
    """Check that what compresses the tiles is installed; ConfigError says how to get it."""
    instead = "read the data set's own files: data.cache=none"
    require("train", "imagecodecs", purpose="the disk cache", instead=instead)


class TileError(Exception):
    """The bytes of a tile are not those that were written."""


def grid_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return (R, C), the number of tiles that cover a frame of (H, W)."""
    return -(-size[0] // TILE[0]), -(-size[1] // TILE[1])


def encode(image: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, bytes]:
    """Compress image (H, W, 3) and target (H, W), uint8 -> the index and the bytes of all tiles."""
    rows, columns = grid_of(target.shape)
    index = np.empty((rows, columns, 4), np.uint32)
    parts = []
    for row, column in np.ndindex(rows, columns):
        y, x = row * TILE[0], column * TILE[1]
        piece = image[y : y + TILE[0], x : x + TILE[1]]
        steps = piece.copy()
        steps[1:] -= piece[:-1]
        of_target = np.ascontiguousarray(target[y : y + TILE[0], x : x + TILE[1]])
        for place, pixels in ((0, steps), (2, of_target)):
            part = imagecodecs.zstd_encode(memoryview(pixels).cast("B"), level=_LEVEL)
            index[row, column, place : place + 2] = len(part), imagecodecs.deflate_crc32(part)
            parts.append(part)
    return index, b"".join(parts)


def decode(
    read: Callable[[int, int], bytes], index: np.ndarray, size: tuple[int, int], box: Box | None = None
) -> Arrays:
    """Decode a window of a frame of (H, W), as new arrays; TileError: the bytes are damaged.

    ``read`` returns the tiles' bytes from a start to a stop, once for each row of tiles.
    """
    top, left, bottom, right = box or (0, 0, *size)
    image = np.empty((bottom - top, right - left, 3), np.uint8)
    target = np.empty((bottom - top, right - left), np.uint8)
    first, last = left // TILE[1], -(-right // TILE[1])
    lengths = index[..., ::2].astype(np.int64)
    starts = lengths.cumsum().reshape(lengths.shape) - lengths  # of the two parts of each tile
    for row in range(top // TILE[0], -(-bottom // TILE[0])):
        begin = int(starts[row, first, 0])
        data = memoryview(read(begin, int(starts[row, last - 1, 1] + index[row, last - 1, 2])))
        y = row * TILE[0]
        above, below = max(top - y, 0), min(bottom - y, TILE[0])
        height = min(TILE[0], size[0] - y)
        to = slice(y + above - top, y + below - top)
        # The rows above the window are needed to undo the differences, not in the result.
        steps = np.empty((below, *image.shape[1:]), np.uint8) if above else image[to]
        for column in range(first, last):
            x = column * TILE[1]
            width = min(TILE[1], size[1] - x)
            across = slice(max(left - x, 0), min(right - x, width))
            there = slice(x + across.start - left, x + across.stop - left)
            of_image, of_target = index[row, column].reshape(2, 2).tolist()
            start, middle = (starts[row, column] - begin).tolist()
            pixels = _inflate(data[start:], *of_image, (height, width, 3))
            steps[:, there] = pixels[:below, across]
            pixels = _inflate(data[middle:], *of_target, (height, width))
            target[to, there] = pixels[above:below, across]
        for line in range(1, below):
            np.add(steps[line], steps[line - 1], out=steps[line])
        if above:
            image[to] = steps[above:]
    return image, target


def _inflate(data: memoryview, length: int, checksum: int, shape: tuple[int, ...]) -> np.ndarray:
    part = data[:length]
    if len(part) != length or imagecodecs.deflate_crc32(part) != checksum:
        raise TileError("a checksum is wrong")
    pixels = np.empty(shape, np.uint8)
    try:
        got = imagecodecs.zstd_decode(part, out=memoryview(pixels).cast("B"))
    except imagecodecs.ZstdError as error:
        raise TileError(str(error)) from error
    if len(got) != pixels.size:
        raise TileError(f"{len(got)} bytes instead of {pixels.size}")
    return pixels
