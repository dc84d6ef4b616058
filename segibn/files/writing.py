"""Write files so that they are whole or absent; read JSON; list and hash files.

In: content and a path. Out: a file that no reader, crash or full disk sees half written.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segibn.errors import DatasetError, SegibnError
from segibn.plain_data import parse_json
from segibn.text import read_small_file

_FULL_BYTES = 1 << 16  # less free space than this is a full disk
_MAX_JSON_BYTES = 1 << 30  # the masks of ten thousand frames take a quarter of it
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.part[^/]*")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file so that a reader, a crash or a full disk never leaves half of it.

    Yields a temporary name in the same folder (created if missing), with the same suffix. When
    the body ends, the file is flushed to the device and takes the place of ``path``; when the
    body raises, the temporary file is removed and the previous ``path`` stays as it was.

    Raises:
        SegibnError: the operating system refused (no space left, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_to_device(temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        reason = _refusal(error, path.parent)
        if reason is None:
            raise
        kept = "; the previous file is unchanged" if path.exists() else ""
        raise SegibnError(f"{path}: cannot be written ({reason}){kept}") from error
    finally:
        with contextlib.suppress(OSError):  # nothing there, or not even a folder
            temporary.unlink()
    with contextlib.suppress(OSError):  # some file systems cannot flush a folder
        _flush_to_device(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what ``atomic_path`` left in a folder when its process was killed.

    Only where nobody else writes at the moment. A missing folder holds none.
    """
    for path in folder.glob(".*.part*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _refusal(error: Exception, folder: Path) -> str | None:
    """Say why the operating system refused, or None if it did not: then it is a bug.

    torch.save reports a full disk as a RuntimeError, with or without the OSError behind it.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    is_full = folder.is_dir() and shutil.disk_usage(folder).free < _FULL_BYTES
    return os.strerror(errno.ENOSPC) if is_full else None


def _flush_to_device(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as strict JSON, atomically.

    Numpy scalars and arrays become numbers and lists, paths become strings, and NaN and
    infinities become null, which other readers of JSON require. Key order is kept.
    """
    write_text(path, json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a regular JSON file; SegibnError names the file, and the line where it is malformed."""
    return parse_json(read_small_file(Path(path), _MAX_JSON_BYTES), str(path))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def list_files(folder: Path, suffixes: Sequence[str], recursive: bool = False) -> list[Path]:
    """List a folder's files whose names end with one of ``suffixes`` (any case), sorted.

    Hidden files, such as the leftovers of a killed writer, are left out. Links to folders are
    followed, as data sets are often linked into place.

    Raises:
        DatasetError: the folder does not exist.
    """
    if not Path(folder).is_dir():
        raise DatasetError(f"{folder}: no such folder")
    endings = tuple(suffix.lower() for suffix in suffixes)
    found = []
    for base, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        found += [
            Path(base, name)
            for name in names
            if name.lower().endswith(endings) and not name.startswith(".")
        ]
    return sorted(found)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
