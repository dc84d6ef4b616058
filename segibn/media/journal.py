"""What an output folder holds already, so that a killed run resumes and no run mixes with another.

``predictions.jsonl`` in it: a line of settings, then one for each file whose outputs are whole.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np

from segibn.errors import ConfigError
from segibn.files.writing import remove_leftovers, write_text
from segibn.media import FOLDERS
from segibn.media.faults import OutputError, shown
from segibn.media.outputs import JOURNAL, Outputs
from segibn.media.sources import Source
from segibn.text import counted

# What to do where the folder holds predictions: refuse, resume, or begin anew.
Mode = Literal["new", "resume", "overwrite"]


class Journal(contextlib.AbstractContextManager):
    """The record of one output folder (created if missing); a context manager.

    Every prediction of the folder depends on the ``settings``, JSON values. ConfigError where there
    are predictions and ``mode`` is new, or they were made with other settings and it is resume.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], mode: Mode = "new") -> None:
        self._path = folder / JOURNAL
        self._done: dict[str, dict[str, Any]] = {}
        settings = json.loads(json.dumps(settings))  # as it is read back
        begun, entries = _read(self._path)
        if mode == "new":
            require_empty(folder)
        elif mode == "resume" and begun is not None:
            changes = [_change(key, begun.get(key), new) for key, new in settings.items() if begun.get(key) != new]
            if changes:
                raise ConfigError(
                    f"{shown(folder)}: its predictions were made with other settings ({'; '.join(changes)}); repeat "
                    "those, or give --overwrite or another --output"
                )
            self._done = {entry["name"]: entry for entry in entries}
        for kind in FOLDERS.values():
            for part in [folder / kind, *(folder / kind).rglob("*/")]:
                remove_leftovers(part)
        lines = [{"settings": settings}, *self._done.values()]
        write_text(self._path, "".join(_line(line) for line in lines))
        self._file: TextIO = self._path.open("a", encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk has been reported by then
            self._file.close()

    def counts_of(self, source: Source, outputs: Outputs) -> tuple[int, np.ndarray] | None:
        """Return frames and pixels by class of a source; None if not recorded, or changed since."""
        entry, identity = self._done.get(shown(source.name), {}), _identity(source)
        if identity and identity.items() <= entry.items() and outputs.has(source.name, source.is_video):
            return entry["frames"], np.array(entry["pixels"], np.int64)
        return None

    def record(self, source: Source, frames: int, pixels: np.ndarray) -> None:
        """Note that a source's outputs are whole; a video's frames (or 1), (K,) pixels by class."""
        if not (identity := _identity(source)):
            return  # nothing to know it by, should it come back
        entry = {"name": shown(source.name), **identity, "frames": frames}
        entry["pixels"] = pixels.tolist()
        try:
            self._file.write(_line(entry))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from error


def require_empty(folder: Path) -> None:
    """Raise ConfigError where a folder holds predictions, whoever made them."""
    _, entries = _read(folder / JOURNAL)
    if entries or any(any((folder / kind).glob("*")) for kind in FOLDERS.values()):
        many = f" ({counted(len(entries), 'file')} done)" if entries else ""
        raise ConfigError(
            f"{shown(folder)}: holds predictions already{many}; --resume adds the rest, "
            "--overwrite replaces them, another --output leaves them alone"
        )


def _identity(source: Source) -> dict[str, Any]:
    """Return what tells a file from another one; empty if it was removed since it was found."""
    try:
        stat = source.path.stat()
    except OSError:
        return {}
    return {"source": shown(source.path.absolute()), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _read(path: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return settings and entries; a last line cut short by a kill counts as not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return None, []
    values = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            values.append(json.loads(line))
    if not values or "settings" not in values[0]:
        return None, []
    return values[0]["settings"], [value for value in values[1:] if "pixels" in value]


def _change(key: str, before: Any, after: Any) -> str:
    if key.endswith("sha256"):
        return "another network"
    if isinstance(before, dict) and isinstance(after, dict):
        return "; ".join(_change(k, before.get(k), new) for k, new in after.items() if before.get(k) != new)
    return f"{key}: {_words(before)}, now {_words(after)}"


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "the default" if value is None else str(value)
