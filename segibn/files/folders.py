"""List the files below a folder, each real file and each real folder once.

What is passed over, such as a link back to a folder that is read already, is logged, or collected
by `collect_passed_over` for a report.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from segibn.errors import DatasetError
from segibn.files.contents import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from segibn.text import counted, listed, printable

warned: dict[str, object] = {}
"""What `warn_once` said."""
logger = logging.getLogger(__name__)

_UNREAD = (*UNREAD_SUFFIXES, ".jfif", ".jpe")  # the last two by another ending than is looked for
_OWN = re.compile(r"\.segibn|\..+\.[0-9a-f]{8}\.part.*")  # our cache, and what a killed writer left


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that was seen and not listed, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """As messages show it."""
        return f"{printable(self.path)} ({self.reason})"


_collected: ContextVar[list[PassedOver] | None] = ContextVar("collected", default=None)


@contextlib.contextmanager
def collect_passed_over() -> Iterator[list[PassedOver]]:
    """Collect what listings pass over in the body, hidden files too, in place of logging it."""
    found: list[PassedOver] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def list_files(folder: Path, suffixes: Sequence[str], recursive: bool = False) -> list[Path]:
    """List a folder's files whose names end with one of ``suffixes`` (any case), sorted.

    Links are followed, as data sets are often linked into place. What several names lead to is
    listed once, by its own name if that is below the folder. Hidden files are left out, such as the
    leftovers of a killed writer. DatasetError where a folder is missing or cannot be read.
    """
    if not Path(folder).is_dir():
        raise DatasetError(f"{printable(folder)}: no such folder")
    walk = _Walk(tuple(suffixes), recursive)
    walk.over(Path(folder))
    pass_over(Path(folder), walk.passed_over)
    return sorted(walk.files)


class _Walk:
    """One walk: real folders before linked ones, so that what is found twice keeps its own name."""

    def __init__(self, endings: tuple[str, ...], recursive: bool) -> None:
        self.endings, self.recursive = tuple(ending.lower() for ending in endings), recursive
        kinds = {Path(f"x{ending}").suffix for ending in self.endings}
        self._looked_for = ", ".join(f"*{ending}" for ending in endings)
        self._others = set(IMAGE_SUFFIXES) - kinds if kinds & set(IMAGE_SUFFIXES) else set()
        self.files: list[Path] = []
        self.passed_over: list[PassedOver] = []
        self._links: list[Path] = []
        self._linked_files: list[Path] = []

    def over(self, root: Path) -> None:
        """Fill ``files`` and ``passed_over``."""
        seen: dict[str, Path] = {}
        folders = [root]
        while folders or self._links:
            folder = folders.pop() if folders else self._links.pop(0)
            real = os.path.realpath(folder)
            if real in seen:
                self._pass(folder, f"leads to {printable(seen[real])}, which is read already")
                continue
            if folder is not root and real in _above(folder):
                self._pass(folder, f"leads to {printable(real)}, which it lies in")
                continue
            seen[real] = folder
            folders += self._enter(folder)
        self._add_linked_files()

    def _enter(self, folder: Path) -> list[Path]:
        """Sort a folder's files in; return the real folders in it."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DatasetError(f"{printable(folder)}: cannot be read ({error.strerror})") from error
        inside = []
        for entry in entries:
            path, is_folder = folder / entry.name, _is_folder(entry)
            if entry.name.startswith("."):
                self._hidden(path, is_folder)
            elif is_folder:
                (self._links if entry.is_symlink() else inside).append(path)
            elif entry.name.lower().endswith(self.endings):
                (self._linked_files if entry.is_symlink() else self.files).append(path)
            elif entry.name.lower().endswith(_UNREAD):
                self._pass(path, "a picture of a kind that is not read; convert it to PNG")
            elif path.suffix.lower() in self._others:
                self._pass(path, f"a picture, but not {self._looked_for}")
            elif self.recursive and entry.is_symlink() and not path.exists():
                self._pass(path, f"a link to {printable(os.readlink(path))}, which is not there")
        if not self.recursive:
            self._links, inside = [], []
        return inside

    def _add_linked_files(self) -> None:
        if not self._linked_files:
            return
        seen = {os.path.realpath(path): path for path in self.files}
        for path in sorted(self._linked_files):
            first = seen.setdefault(os.path.realpath(path), path)
            if first is path:
                self.files.append(path)
            else:
                self._pass(path, f"leads to {printable(first)}, which is listed already")

    def _hidden(self, path: Path, is_folder: bool) -> None:
        listed = (is_folder and self.recursive) or path.name.lower().endswith(self.endings)
        if listed and not _OWN.fullmatch(path.name):
            self._pass(path, "hidden")

    def _pass(self, path: Path, reason: str) -> None:
        self.passed_over.append(PassedOver(path, reason))


def _above(folder: Path) -> set[str]:
    """The real folders that a folder's own name lies in."""
    real = Path(os.path.realpath(folder.parent))
    return {str(real), *map(str, real.parents)}


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def pass_over(folder: Path, passed_over: Sequence[PassedOver]) -> None:
    """Hand on what is left out of a folder; hidden files, which systems make, are not logged."""
    collected = _collected.get()
    if collected is not None:
        collected += [one for one in passed_over if one not in collected]
        return
    said = [one for one in passed_over if one.reason != "hidden"]
    if said:
        warn_once(f"{printable(folder)}: {counted(len(said), 'name')} passed over: {listed(said)}")


def warn_once(message: str) -> None:
    """Log a warning; a study that reads one set for each network says it only once."""
    mine = object()
    if warned.setdefault(message, mine) is mine:  # in one step, as threads warn too
        logger.warning("%s", message)
