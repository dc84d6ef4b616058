"""Where files derived from the data sets are kept, and what tells whether they are still right."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def cache_folder(datasets_root: Path | None) -> Path:
    """Return where files derived from the data sets are kept; the folder need not exist yet.

    ``SEGIBN_CACHE``, else ``.segibn`` below the data sets' root, so that all who share the data
    share the work, or where that cannot be written ``~/.cache/segibn``.
    """
    if given := os.environ.get("SEGIBN_CACHE"):
        return Path(given).expanduser().absolute()
    if datasets_root is not None:
        shared = Path(datasets_root).absolute() / ".segibn"
        if os.access(shared if shared.exists() else shared.parent, os.W_OK | os.X_OK):
            return shared
    return Path.home() / ".cache" / "segibn"


def relative_name(file: Path, datasets_root: Path | None) -> str:
    """Return a file's path below the data sets' root, so that moving the root changes nothing."""
    if datasets_root is not None and file.is_relative_to(datasets_root):
        return file.relative_to(datasets_root).as_posix()
    return file.as_posix()


def fingerprint(files: Iterable[Path], datasets_root: Path | None, settings: Any) -> str:
    """Return a hash of settings (plain values) and of the files' names, sizes and times, in order.

    Whatever was made from them is right while it stays. OSError: a file is not there.
    """
    facts = []
    for file in files:
        status = os.stat(file)
        facts.append([relative_name(file, datasets_root), status.st_size, status.st_mtime_ns])
    return hash_of([facts, settings])


def hash_of(value: Any) -> str:
    """Return the hexadecimal SHA-256 of plain values, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
