"""Files that cannot be predicted: noted with reason and fix, so that the rest goes on."""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segibn.errors import ImageFileError, SegibnError
from segibn.text import printable


class MediaError(ImageFileError):
    """A picture or video that cannot be read, whole or in part.

    Args:
        path: the file.
        reason: what is wrong with it.
        fix: what the user can do.
    """

    def __init__(self, path: Path, reason: str, fix: str) -> None:
        super().__init__(f"{shown(path)}: {reason}; {fix}")
        self.path, self.reason, self.fix = path, reason, fix


def as_media_error(path: Path, error: ImageFileError) -> MediaError:
    """Turn an error of the files room, ``PATH: reason; fix``, into one with parts."""
    if isinstance(error, MediaError):
        return error
    reason, _, fix = str(error).removeprefix(f"{printable(path)}: ").partition("; ")
    return MediaError(path, reason, fix or "copy or download it again")


@dataclass
class Faults:
    """The files that failed, in the order in which they were met.

    Attributes:
        strict: whether the first one ends the work.
        found: what was noted.
    """

    strict: bool = False
    found: list[MediaError] = field(default_factory=list)

    def note(self, error: MediaError) -> None:
        """Keep a fault, or raise it when strict."""
        if self.strict:
            raise error
        self.found.append(error)

    def table(self) -> str:
        """Return file, reason and fix of each in aligned columns."""
        return format_faults(self.found)


def format_faults(faults: Sequence[MediaError]) -> str:
    """Set file, reason and fix in columns; a file longer than its column keeps its whole name."""
    rows = [("file", "reason", "fix"), *((shown(f.path), f.reason, f.fix) for f in faults)]
    widths = [min(80, max(_columns(row[index]) for row in rows)) for index in range(2)]
    lines = []
    for row in rows:
        cells = [text + " " * (w - _columns(text)) for text, w in zip(row, widths, strict=False)]
        lines.append(printable("  ".join([*cells, row[2]])))
    return "\n".join(lines)


def shown(path: Path) -> str:
    """Return a path as text that every file and terminal takes: bytes that are no text escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _columns(text: str) -> int:
    """Width on a terminal: East Asian characters take two columns, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


class OutputError(SegibnError):
    """What was asked for cannot be written; no fault of a frame, so that it ends the work."""
