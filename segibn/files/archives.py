"""Zip archives: reproducible ones written, foreign ones read with distrust.

In: (name, bytes) members. Out: the same; nothing is ever unpacked to disk.
"""

import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from segibn.errors import SegibnError
from segibn.files.writing import atomic_path

_STORED_SUFFIXES = (".png", ".jpg", ".jpeg", ".zip", ".gz")  # compressed already
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a fixed time makes equal members give equal bytes


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) pairs to a zip, atomically; equal members give equal bytes."""
    seen: set[str] = set()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in members:
            if name in seen or not _is_safe_name(name):
                raise ValueError(f"{name!r} is repeated or not a relative path inside the zip")
            seen.add(name)
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            is_packed = name.lower().endswith(_STORED_SUFFIXES)
            info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def read_zip(path: Path, max_member_bytes: int = 1 << 26) -> Iterator[tuple[str, bytes]]:
    """Yield the (name, content) of each file in a zip that someone else made.

    Nothing is unpacked to disk.

    Raises:
        SegibnError: not a zip, damaged, or a member that is absolute, climbs out by ``..``, is
            a link, is encrypted, or is larger than ``max_member_bytes``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield info.filename, _read_member(archive, info, max_member_bytes, path)
    except OSError as error:
        raise SegibnError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
        raise SegibnError(f"{path}: not a zip, or damaged ({error})") from error


def _read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int, path: Path
) -> bytes:
    if not _is_safe_name(info.filename):
        raise SegibnError(f"{path}: member {info.filename!r} points outside the archive")
    if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & 1:
        raise SegibnError(f"{path}: member {info.filename!r} is a link or encrypted")
    with archive.open(info) as member:
        # The header may lie about the size, so the data decides.
        content = member.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise SegibnError(f"{path}: member {info.filename!r} is larger than {max_bytes} bytes")
    return content


def _is_safe_name(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return bool(parts) and ".." not in parts and parts[0] != "/" and ":" not in parts[0]
