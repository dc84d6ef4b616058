"""What the user named: pictures and videos, each with a name of its own in the output.

In: files, folders (searched with their subfolders) and glob patterns. Out: a ``Source`` for each
file, once, with a name that no other has.
"""

import glob
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segibn.errors import DatasetError
from segibn.files import IMAGE_SUFFIXES, list_files
from segibn.media.faults import shown

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


@dataclass(frozen=True)
class Source:
    """One file to predict.

    Attributes:
        path: the file.
        name: of its outputs, without suffix, ``/`` between folders.
        root: the folder that the name is relative to.
    """

    path: Path
    name: str
    root: Path

    @property
    def is_video(self) -> bool:
        """Whether its suffix is a video's."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def find_sources(inputs: Sequence[str | Path], left_out: Sequence[Path] = ()) -> list[Source]:
    """List the files behind the inputs, in their order, folders sorted by name.

    A folder's files keep their place below it (``sub/a``), a pattern's below the part of it that
    has no wildcards; a single file is called as it is. Files of one name are told apart by their
    suffix (``a.jpg``, ``a.png``), then by the folder they were found in, then by a number.

    Args:
        inputs: files, folders or patterns such as ``frames/**/*.png``. What exists under the
            literal name is never taken for a pattern.
        left_out: files and folders that are no input though they lie inside one, such as the
            outputs of an earlier run.

    Raises:
        DatasetError: an input is not there, or holds neither pictures nor videos.
    """
    found: dict[Path, Source] = {}
    refused = {path.absolute() for path in left_out}
    for text in inputs:
        for source in _expand(text):
            place = source.path.absolute()
            if refused.isdisjoint([place, *place.parents]):
                found.setdefault(place.resolve(), source)
    if not found:
        raise DatasetError(
            f"{', '.join(map(str, inputs))}: holds no images ({', '.join(IMAGE_SUFFIXES)}) and no "
            f"videos ({', '.join(VIDEO_SUFFIXES)})"
        )
    return _with_own_names(list(found.values()))


def _expand(text: str | Path) -> list[Source]:
    path = Path(text)
    if path.is_dir():
        return [_named(file, path) for file in list_files(path, _SUFFIXES, recursive=True)]
    if path.exists():
        return [_named(path, path.parent)]
    if not glob.has_magic(str(text)):
        raise DatasetError(f"{shown(path)}: no such file or folder")
    root = _fixed_part(path)
    found = []
    for match in sorted(map(Path, glob.glob(str(text), recursive=True))):
        files = list_files(match, _SUFFIXES, recursive=True) if match.is_dir() else [match]
        found += [_named(f, root) for f in files if f.suffix.lower() in _SUFFIXES]
    if not found:
        raise DatasetError(f"{shown(path)}: this pattern matches no image or video")
    return found


_SUFFIXES = IMAGE_SUFFIXES + VIDEO_SUFFIXES


def _named(path: Path, root: Path) -> Source:
    return Source(path, path.relative_to(root).with_suffix("").as_posix(), root)


def _fixed_part(pattern: Path) -> Path:
    """Return the folders of a pattern before the first wildcard."""
    fixed = Path(pattern.anchor)
    for part in pattern.relative_to(pattern.anchor).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _with_own_names(sources: list[Source]) -> list[Source]:
    for better in (_with_suffix, _with_folder):
        clashing = _clashing(sources)
        sources = [
            replace(source, name=better(source)) if _key(source.name) in clashing else source
            for source in sources
        ]
    taken = Counter(_key(source.name) for source in sources)
    named = []
    for source in sources:
        name, number = source.name, 2
        if taken[_key(name)] > 1:
            taken[_key(name)] -= 1  # the last of them keeps the name
            while taken[_key(f"{name}_{number}")]:
                number += 1
            name = f"{name}_{number}"
            taken[_key(name)] += 1
        named.append(replace(source, name=name))
    return named


def _clashing(sources: list[Source]) -> set[str]:
    """Keys of names that several have, and of videos whose frames would lie among others."""
    counts = Counter(_key(source.name) for source in sources)
    folders = {
        parent.as_posix() for source in sources for parent in Path(_key(source.name)).parents
    }
    videos = {_key(source.name) for source in sources if source.is_video}
    return {name for name, count in counts.items() if count > 1} | (videos & folders)


def _key(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


def _with_suffix(source: Source) -> str:
    return f"{source.name}{source.path.suffix}"


def _with_folder(source: Source) -> str:
    folder = source.root.absolute().name
    return f"{folder}/{source.name}" if folder else source.name
