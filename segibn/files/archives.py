"""Zip archives that someone else made, read with distrust; nothing is ever unpacked to disk.

In: a path. Out: the members that are files, each with what is wrong with it, and their content.
What an archive declares is checked before anything is inflated, and what is inflated never grows
beyond what was declared: paths that leave the archive, links, encryption, bombs, members that
share their bytes. For writing see ``zip_stream``.
"""

import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segibn.errors import SegibnError

_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others inflate without a bound
_LOCAL_HEADER_BYTES = 30
_END = struct.Struct("<4s4H2LH")  # end of central directory: APPNOTE.TXT, section 4.3.16
_END64 = struct.Struct("<4sQ2H2L4Q")  # its 64-bit form: section 4.3.14
_END64_LOCATOR = struct.Struct("<4sLQL")  # section 4.3.15
_MAX_COMMENT = (1 << 16) - 1
_IN_32_BITS = (1 << 32) - 1
# What zipfile raises for bytes that make no sense to it, depending on where they are.
_NONSENSE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    zlib.error,
    struct.error,
    OverflowError,
    IndexError,
)


@dataclass(frozen=True)
class ZipLimits:
    """How much an archive may declare; beyond this it is refused as a whole or in part."""

    members: int = 100_000
    member_bytes: int = 1 << 26
    """Of one member, inflated."""
    total_bytes: int = 1 << 35
    """Of all members together, inflated."""
    directory_bytes: int = 1 << 26
    """Of the list of members; each entry takes ten times its bytes in memory."""


@dataclass(frozen=True)
class ZipMember:
    """One file in an archive.

    Attributes:
        name: as the archive spells it.
        fault: why its content must not be read, to follow "members that"; empty when nothing
            speaks against it.
    """

    name: str
    fault: str
    info: zipfile.ZipInfo = field(repr=False)

    @property
    def base_name(self) -> str:
        """The name without its folders."""
        return PurePosixPath(self.name.replace("\\", "/")).name


class ForeignZip:
    """An archive opened with distrust; a context manager. Reading is safe from several threads.

    Attributes:
        members: every file, folders left out, in the order of the archive's directory.

    Raises:
        SegibnError: it cannot be opened, is no zip, or declares more than the limits.
    """

    def __init__(self, path: Path, limits: ZipLimits | None = None) -> None:
        self.path = Path(path)
        self.limits = limits or ZipLimits()
        try:
            _require_small_directory(self.path, self.limits)
            self._archive = zipfile.ZipFile(self.path)
        except OSError as error:
            raise SegibnError(f"{path}: cannot be read ({error.strerror or error})") from error
        except _NONSENSE as error:
            raise SegibnError(f"{path}: not a zip, or damaged ({error})") from error
        try:
            self.members = self._examine()
        except SegibnError:
            self._archive.close()
            raise

    def __enter__(self) -> "ForeignZip":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def read(self, member: ZipMember) -> bytes:
        """Return a member's content.

        Raises:
            SegibnError: it has a fault, or its bytes are not what the directory says.
        """
        if member.fault:
            raise SegibnError(f"{self.path}: members that {member.fault}: {member.name!r}")
        try:
            # With a number zipfile inflates no more than that, cuts at the declared size and
            # compares the checksum; without one it would inflate all there is.
            with self._archive.open(member.info) as file:
                return file.read(member.info.file_size + 1)
        except (*_NONSENSE, OSError) as error:
            raise SegibnError(
                f"{self.path}: member {member.name!r} is damaged ({error})"
            ) from error

    def _examine(self) -> list[ZipMember]:
        infos = self._archive.infolist()
        total = sum(info.file_size for info in infos)
        if len(infos) > self.limits.members:
            raise SegibnError(
                f"{self.path}: holds {len(infos)} members; more than {self.limits.members} are "
                "not read"
            )
        if total > self.limits.total_bytes:
            raise SegibnError(
                f"{self.path}: declares {total} bytes when unpacked; more than "
                f"{self.limits.total_bytes} are not read"
            )
        overlapping = _overlapping(infos)
        seen: set[str] = set()
        members = []
        for info in infos:
            if info.filename.endswith("/") and not info.file_size:  # a folder
                continue
            fault = self._fault_of(info) or ("share bytes" if id(info) in overlapping else "")
            if not fault and info.filename in seen:
                fault = "are in the archive twice under one name"
            seen.add(info.filename)
            members.append(ZipMember(info.filename, fault, info))
        return members

    def _fault_of(self, info: zipfile.ZipInfo) -> str:
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
        if not is_safe_name(info.orig_filename):
            return "point outside the archive"
        if kind not in (0, stat.S_IFREG) or stat.S_ISLNK(info.external_attr >> 16):
            return "are links or special files"
        if info.flag_bits & 1:
            return "are encrypted"
        if info.compress_type not in _KNOWN_METHODS:
            return "are compressed by another method than deflate"
        if info.file_size > self.limits.member_bytes:
            return f"are larger than {self.limits.member_bytes} bytes"
        return ""


def is_safe_name(name: str) -> bool:
    """Say whether a member's name is a relative path that stays inside the archive."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return (
        bool(parts)
        and ".." not in parts
        and parts[0] != "/"
        and ":" not in parts[0]
        and "\0" not in name
    )


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Find members whose bytes begin inside another's: how the densest bombs are made."""
    found: set[int] = set()
    furthest, owner = -1, 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
        if info.header_offset < furthest:
            found |= {id(info), owner}
        if end > furthest:
            furthest, owner = end, id(info)
    return found


def _require_small_directory(path: Path, limits: ZipLimits) -> None:
    """Raise SegibnError before zipfile loads a directory that would fill the memory."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise SegibnError(f"{path} is no regular file; give a zip")
    size = status.st_size
    with path.open("rb") as file:
        start = max(0, size - _END.size - _MAX_COMMENT)
        file.seek(start)
        tail = file.read()
        found = tail.rfind(b"PK\x05\x06")
        if found < 0 or found + _END.size > len(tail):
            raise zipfile.BadZipFile("it does not end as a zip does; is it cut short?")
        count, directory_bytes = _END.unpack_from(tail, found)[4:6]
        place = start + found - _END64_LOCATOR.size
        if place >= 0:
            file.seek(place)
            signature, _, place64, _ = _END64_LOCATOR.unpack(file.read(_END64_LOCATOR.size))
            if signature == b"PK\x06\x07" and place64 + _END64.size <= size:
                file.seek(place64)
                fields = _END64.unpack(file.read(_END64.size))
                count, directory_bytes = (
                    max(count, fields[7]),
                    max(directory_bytes if directory_bytes != _IN_32_BITS else 0, fields[8]),
                )
    if count > limits.members or directory_bytes > limits.directory_bytes:
        raise SegibnError(
            f"{path}: declares {count} members in a directory of {directory_bytes} bytes; more "
            f"than {limits.members} members or {limits.directory_bytes} bytes are not read"
        )
