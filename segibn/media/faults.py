"""Files that cannot be predicted: noted with reason and fix, so that the rest is predicted."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.cells import cell_len

from segibn.errors import ImageFileError, SegibnError
from segibn.files.pictures import read_image
from segibn.text import printable


class MediaError(ImageFileError):
    """A picture or video that cannot be read, whole or in part: ``PATH: reason; fix``."""

    def __init__(self, path: Path, reason: str, fix: str) -> None:
        super().__init__(f"{shown(path)}: {reason}; {fix}")
        self.path, self.reason, self.fix = path, reason, fix


def read_upright(path: Path) -> np.ndarray:
    """Decode a picture as `files.pictures.read_image` does; what that refuses is a `MediaError`."""
    try:
        return read_image(path)
    except ImageFileError as error:
        reason, _, fix = str(error).removeprefix(f"{printable(path)}: ").partition("; ")
        raise MediaError(path, reason, fix or "copy or download it again") from error


@dataclass
class Faults:
    """The files that failed, in order; when ``strict``, the first one ends the work."""

    strict: bool = False
    found: list[MediaError] = field(default_factory=list)

    def note(self, error: MediaError) -> None:
        """Keep a fault, or raise it."""
        if self.strict:
            raise error
        self.found.append(error)


def format_faults(faults: Sequence[MediaError]) -> str:
    """Set file, reason and fix in columns; a file longer than its column keeps its whole name."""
    rows = [("file", "reason", "fix"), *((shown(f.path), f.reason, f.fix) for f in faults)]
    widths = [min(80, max(cell_len(row[index]) for row in rows)) for index in range(2)]
    lines = []
    for row in rows:
        cells = [text + " " * (w - cell_len(text)) for text, w in zip(row, widths, strict=False)]
        lines.append(printable("  ".join([*cells, row[2]])))
    return "\n".join(lines)


def shown(path: str | Path) -> str:
    """Return a path as text that every file and terminal takes: bytes that are no text escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class OutputError(SegibnError):
    """What was asked for cannot be written; no fault of a frame, so that it ends the work."""
