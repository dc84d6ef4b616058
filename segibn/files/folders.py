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
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"{printable(root)}: no such folder")
    endings = tuple(suffix.lower() for suffix in suffixes)
    kinds = {Path(f"x{ending}").suffix for ending in endings} & set(IMAGE_SUFFIXES)
    others = set(IMAGE_SUFFIXES) - kinds if kinds else set()
    files: list[Path] = []
    links: list[Path] = []
    passed_over: list[PassedOver] = []
    for path, is_folder, is_link in _walk(root, recursive, passed_over):
        name, reason = path.name.lower(), ""
        if name.startswith("."):
            is_looked_for = is_folder or name.endswith(endings)
            reason = "hidden" if is_looked_for and not _OWN.fullmatch(path.name) else ""
        elif name.endswith(endings):
            (links if is_link else files).append(path)
        elif name.endswith(_UNREAD):
            reason = "a picture of a kind that is not read; convert it to PNG"
        elif path.suffix.lower() in others:
            reason = f"a picture, but not {', '.join(f'*{suffix}' for suffix in suffixes)}"
        elif recursive and is_link and not path.exists():
            reason = f"a link to {printable(os.readlink(path))}, which is not there"
        if reason:
            passed_over.append(PassedOver(path, reason))
    seen = {os.path.realpath(path): path for path in files} if links else {}
    for path in sorted(links):
        first = seen.setdefault(os.path.realpath(path), path)
        if first is path:
            files.append(path)
        else:
            reason = f"leads to {printable(first)}, which is listed already"
            passed_over.append(PassedOver(path, reason))
    pass_over(root, passed_over)
    return sorted(files)


def _walk(
    root: Path, recursive: bool, passed_over: list[PassedOver]
) -> Iterator[tuple[Path, bool, bool]]:
    """Yield files and hidden folders, whether each is a folder, and whether a link.

    Real folders come before linked ones, so that what is found twice keeps its own name.
    """
    seen: dict[str, Path] = {}
    folders, links = [root], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(folder)
        if real in seen:
            reason = f"leads to {printable(seen[real])}, which is read already"
            passed_over.append(PassedOver(folder, reason))
            continue
        if folder is not root and real in _above(folder):
            reason = f"leads to {printable(real)}, which it lies in"
            passed_over.append(PassedOver(folder, reason))
            continue
        seen[real] = folder
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DatasetError(f"{printable(folder)}: cannot be read ({error.strerror})") from error
        inside = []
        for entry in entries:
            path, is_folder = folder / entry.name, _is_folder(entry)
            if not is_folder or entry.name.startswith("."):
                yield path, is_folder and recursive, entry.is_symlink()
            elif recursive:
                (links if entry.is_symlink() else inside).append(path)
        folders += inside


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
