"""Zip archives written as a stream that a kill interrupts and the next attempt takes up.

In: (name, content) members, one at a time, in an order known beforehand. Out: an archive whose
bytes depend on the members alone, not on when or in how many attempts it was written. The list of
members is all that stays in memory; there are no files beside the archive.

Each member stands behind a header with its size and checksum, so the finished ones can be told from
the bytes alone, and the directory at the end is only written when all of them are there. Members
are stored as they are: PNGs are compressed already.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from segibn.files.archives import is_safe_name

_TIME = (1980, 1, 1, 0, 0, 0)  # a fixed time makes equal members give equal bytes
_MAX_BYTES = 1 << 28  # of a member; a larger one in a header is a sign of damage
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # APPNOTE.TXT, section 4.3.7


class ZipStream:
    """Writes members in the order of ``names`` and takes over those that are there already.

    Args:
        stream: open for reading and writing; what follows the last finished member is cut off.
        names: of all members, in order.

    Raises:
        ValueError: a name is repeated or points outside the archive.
    """

    def __init__(self, stream: BinaryIO, names: Sequence[str]) -> None:
        if len(set(names)) != len(names) or not all(map(is_safe_name, names)):
            raise ValueError("a name is repeated or not a relative path inside the zip")
        self._stream, self._names = stream, names
        self._infos: list[zipfile.ZipInfo] = []
        end = self._take_over()
        stream.seek(end)
        stream.truncate()

    @property
    def finished(self) -> int:
        """How many members are in the file."""
        return len(self._infos)

    def keep(self, count: int) -> None:
        """Cut off all but the first ``count`` members."""
        if count < self.finished:
            self._stream.seek(self._infos[count].header_offset)
            self._stream.truncate()
            del self._infos[count:]

    def add(self, name: str, content: bytes) -> None:
        """Write the next member and hand it to the operating system.

        Raises:
            ValueError: it is not this name's turn, or the content is larger than 256 MiB.
        """
        if len(content) > _MAX_BYTES:
            raise ValueError(f"{name!r} is too large: {len(content)} bytes")
        if self.finished == len(self._names) or name != self._names[self.finished]:
            raise ValueError(f"{name!r} is not the next member")
        info = _info(name, content)
        info.header_offset = self._stream.tell()
        self._stream.write(info.FileHeader(zip64=False) + content)
        self._stream.flush()
        self._infos.append(info)

    def finish(self) -> None:
        """Write the directory; nothing can be added after it.

        Raises:
            ValueError: members are missing.
        """
        if self.finished != len(self._names):
            raise ValueError(f"{self.finished} of {len(self._names)} members are there")
        with zipfile.ZipFile(self._stream, "w") as archive:
            archive.filelist.extend(self._infos)
        self._stream.flush()

    def _take_over(self) -> int:
        """Read the finished members' headers; returns where they end."""
        self._stream.seek(0)
        end = 0
        for name in self._names:
            info = _read_member(self._stream, name)
            if info is None:
                break
            info.header_offset = end
            self._infos.append(info)
            end = self._stream.tell()
        return end


def _info(name: str, content: bytes) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    info.CRC, info.file_size, info.compress_size = zlib.crc32(content), len(content), len(content)
    return info


def _read_member(stream: BinaryIO, name: str) -> zipfile.ZipInfo | None:
    """Read the next member if it is whole and of this name; None otherwise."""
    header = stream.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        return None
    fields = _LOCAL_HEADER.unpack(header)
    crc, size, name_length = fields[6], fields[7], fields[9]
    if fields[0] != b"PK\x03\x04" or size > _MAX_BYTES:
        return None
    if stream.read(name_length) != name.encode():
        return None
    content = stream.read(size)
    info = _info(name, content)
    is_whole = len(content) == size and crc == info.CRC
    return info if is_whole and header == info.FileHeader(zip64=False)[: len(header)] else None
