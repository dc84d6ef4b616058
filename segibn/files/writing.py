"""Write files so that they are whole or absent; read JSON; hash files."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segibn.errors import SegibnError
from segibn.text import read_small_file
from segibn.text.plain_data import parse_json

_FULL_BYTES = 1 << 16  # less free space than this is a full disk
_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
_MAX_JSON_BYTES = 1 << 30  # the masks of ten thousand frames take a quarter of it
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.part[^/]*")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file so that a reader, a crash or a full disk never leaves half of it.

    Yields a temporary name of the same suffix in the same folder (created if missing). It takes the
    place of ``path`` when the body ends, flushed to the device; when the body raises, ``path``
    stays as it was. SegibnError where the operating system refuses (no space, no permission).
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
        if reason in _FULL:
            kept += "; make room there"
        raise SegibnError(f"{path}: cannot be written ({reason}){kept}") from error
    finally:
        with contextlib.suppress(OSError):  # nothing there, or not even a folder
            temporary.unlink()
    with contextlib.suppress(OSError):  # some file systems cannot flush a folder
        _flush_to_device(path.parent)


@contextlib.contextmanager
def atomic_files(path: Path) -> Iterator[Path]:
    """Write a file with others beside it, or a folder, as `atomic_path` writes one file.

    Yields the path's name in a temporary folder. All that lies there when the body ends takes its place in the
    folder of ``path``, which itself comes last.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", suffix=".part", dir=path.parent) as folder:
            yield Path(folder) / path.name
            for written in sorted(Path(folder).iterdir(), key=lambda entry: entry.name == path.name):
                place = path.parent / written.name
                for file in [written] if written.is_file() else written.rglob("*"):
                    _flush_to_device(file)
                if place.is_dir():  # a folder cannot take the place of another that holds something
                    os.replace(place, Path(folder) / "before")
                os.replace(written, place)
    except OSError as error:
        raise SegibnError(f"{path}: cannot be written ({_refusal(error, path.parent)})") from error


def writable_folder(folder: Path) -> Path:
    """Return the folder or the next one above it that is there; SegibnError if not writable."""
    absolute = Path(folder).absolute()
    there = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SegibnError(
            f"{folder}: cannot be made or written, since {there} is no folder to write in; choose "
            "another --output, or change who may write there"
        )
    return there


def remove_leftovers(folder: Path) -> None:
    """Remove what `atomic_path` left in a folder when killed; only where nobody writes."""
    for path in folder.glob(".*.part*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _refusal(error: Exception, folder: Path) -> str | None:
    """Say why the operating system refused, or None if it did not: then it is a bug."""
    # torch.save reports a full disk as a RuntimeError, with or without the OSError behind it.
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
    r"""Write ``text`` as UTF-8, atomically; lone surrogates, of odd file names, as ``\udc80``."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value``, numpy values and paths too, as strict JSON; NaN and infinity become null."""
    write_text(path, json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a regular JSON file; SegibnError names the file, and the line where it is malformed."""
    return parse_json(read_small_file(Path(path), _MAX_JSON_BYTES), str(path))


def plain(value: Any) -> Any:
    """Turn numpy values into Python's, paths into text, and NaN and infinity into None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
