"""List the files below a folder, each real one once; what is passed over is logged or collected."""

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

warned: dict[str, object] = {}  # what `warn_once` said
logger = logging.getLogger(__name__)

_UNREAD = (*UNREAD_SUFFIXES, ".jfif", ".jpe")  # the last two by another ending than is looked for
_OWN = re.compile(r"\.segibn|\..+\.[0-9a-f]{8}\.part.*")  # our cache, and what a killed writer left


@dataclass(frozen=True)
class PassedOver:
    """A file or folder that was seen and not listed, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
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

    Links are followed; what several names lead to is listed once, by its own name if that is below
    the folder. Hidden files are left out. DatasetError where a folder is missing or unreadable.
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


def _walk(root: Path, recursive: bool, passed_over: list[PassedOver]) -> Iterator[tuple[Path, bool, bool]]:
    """Yield files and hidden folders, whether each is a folder, and whether a link."""
    seen: dict[str, Path] = {}
    folders, links = [root], list[Path]()
    while folders or links:
        # Real folders come first, so that what is found twice keeps its own name.
        folder = folders.pop() if folders else links.pop(0)
        real, place, reason = os.path.realpath(folder), os.path.realpath(folder.parent), ""
        if real in seen:
            reason = f"leads to {printable(seen[real])}, which is read already"
        elif folder is not root and Path(place).is_relative_to(real):
            reason = f"leads to {printable(real)}, which it lies in"
        if reason:
            passed_over.append(PassedOver(folder, reason))
            continue
        seen[real] = folder
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DatasetError(f"{printable(folder)}: cannot be read ({error.strerror})") from error
        inside = []
        for entry in entries:
            path, is_link = folder / entry.name, entry.is_symlink()
            # isdir also takes a link that leads back to itself.
            is_folder = os.path.isdir(path) if is_link else entry.is_dir()
            if not is_folder or entry.name.startswith("."):
                yield path, is_folder and recursive, is_link
            elif recursive:
                (links if is_link else inside).append(path)
        folders += inside


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
