"""One frame of the disk cache in a file: header, note (JSON), index of the tiles, tiles (tiles.py).

A checksum covers header, note and index, and every tile has its own. The file is opened for each
window and closed again, so nothing is held between samples.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.cache import tiles
from segibn.data.frame import Arrays
from segibn.errors import DatasetError
from segibn.files.png import Box
from segibn.files.writing import atomic_path

SUFFIX = ".tiles"
_MAGIC = b"segibn tiles 1\r\n"  # the number is the format's version
# Magic, H, W, (H, W) of a tile, bytes of the note, CRC-32 of all before it and of what follows.
_HEADER = struct.Struct("<16sIIHHII")
_ENTRY_BYTES = 16


class TileFileError(DatasetError):
    """A file of the cache is missing, damaged or of another version."""


def write_tile_file(path: Path, size: tuple[int, int], note: Any, index: np.ndarray, data: bytes) -> None:
    """Write a frame of (H, W) as `tiles.encode` returns it, with a note (JSON), whole or not."""
    text = json.dumps(note).encode()
    tail = text + index.tobytes()
    fields = (_MAGIC, *size, *tiles.TILE, len(text))
    checksum = zlib.crc32(tail, zlib.crc32(_HEADER.pack(*fields, 0)))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for part in (_HEADER.pack(*fields, checksum), tail, data):
            file.write(part)


class TileFile:
    """A frame of the cache; `Frame` says what its methods return."""

    def __init__(self, path: Path) -> None:
        """Read header, note and index; TileFileError: missing, damaged or of another version."""
        self.path = Path(path)
        try:
            with self.path.open("rb") as file:
                head = file.read(_HEADER.size)
                fields = _HEADER.unpack(head) if len(head) == _HEADER.size else (b"",)
                if fields[0] != _MAGIC or fields[3:5] != tiles.TILE:
                    raise self._error("it is damaged or of another version")
                self.size: tuple[int, int] = fields[1:3]
                rows, columns = tiles.grid_of(self.size)
                length = fields[5] + rows * columns * _ENTRY_BYTES
                tail = file.read(min(length, os.fstat(file.fileno()).st_size))
        except OSError as error:
            raise self._error(error.strerror or str(error)) from error
        if zlib.crc32(tail, zlib.crc32(_HEADER.pack(*fields[:6], 0))) != fields[6]:
            raise self._error("the checksum of its header is wrong")
        self.note: Any = json.loads(tail[: fields[5]])
        entries = np.frombuffer(tail, np.uint32, rows * columns * 4, offset=fields[5])
        self._index = entries.reshape(rows, columns, 4)
        self._data_start = _HEADER.size + len(tail)

    @classmethod
    def if_whole(cls, path: Path) -> "TileFile | None":
        """Open a frame; None where its header is damaged or the file is cut short."""
        try:
            found = cls(path)
            return found if path.stat().st_size == found.expected_bytes else None
        except TileFileError:
            return None

    @property
    def expected_bytes(self) -> int:
        """Size of the whole file."""
        return self._data_start + int(self._index[..., ::2].sum(dtype=np.int64))

    def read(self, box: Box | None = None) -> Arrays:
        """Decode the tiles under a window; TileFileError: a checksum is wrong."""
        try:
            with self.path.open("rb", buffering=0) as file:

                def read(start: int, stop: int) -> bytes:
                    file.seek(self._data_start + start)
                    return file.read(stop - start)

                return tiles.decode(read, self._index, self.size, box)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from error
        except tiles.TileError as error:
            raise self._error(f"damaged tile: {error}") from error

    def renote(self, note: Any) -> None:
        """Write the file again with another note; its tiles are copied as they are."""
        with self.path.open("rb") as file:
            file.seek(self._data_start)
            data = file.read()
        write_tile_file(self.path, self.size, note, self._index, data)
        self.note = note

    def _error(self, reason: str) -> TileFileError:
        return TileFileError(
            f"{self.path}: {reason}. Run segibn cache with --verify, which removes "
            "damaged files, and then without, which makes them again"
        )
