"""What the user named: pictures and videos, each with a name of its own in the output."""

import glob
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from segibn.errors import DatasetError
from segibn.files.contents import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Kind, kind_of
from segibn.files.folders import list_files
from segibn.media.faults import shown
from segibn.media.outputs import JOURNAL, places_of
from segibn.text import counted, nfc

_NEITHER = Kind("unread", "neither a picture nor a video")


@dataclass(frozen=True)
class Source:
    """One file to predict."""

    path: Path
    name: str  # of its outputs, without suffix, / between folders
    root: Path  # the folder that the name is relative to
    kind: Kind

    @property
    def is_video(self) -> bool:
        """Whether it is read as a video."""
        return self.kind.role == "video"


class Found(NamedTuple):
    """What lies behind some inputs."""

    sources: list[Source]
    others: list[Path]  # files in folders and patterns that are neither pictures nor videos
    outputs: list[Path]  # folders whose predictions are no input


def find_sources(inputs: Sequence[str | Path], left_out: Sequence[Path] = ()) -> Found:
    """List the files behind the inputs, in their order, folders sorted by name.

    A file that was given by its own name, and a picture of a kind that is not read, are sources
    whatever they hold, so that their fault is told with the others. A folder's files keep their
    place below it (``sub/a``), a pattern's below the part of it that has no wildcards. Files of one
    name are told apart by their suffix, then by the folder they were found in, then by a number.

    Args:
        inputs: files, folders or patterns such as ``frames/**/*.png``; what exists is no pattern.
        left_out: files and folders that are no input though they lie inside one, such as this
            prediction's outputs. Those of an earlier one, beside its journal, are none either.
    """
    found: dict[Path, Source | None] = {}
    files = [file for text in inputs for file in _expand(text)]
    outputs = [path.parent for path, _, is_named in files if path.name == JOURNAL and not is_named]
    written = [place for folder in outputs for place in places_of(folder)]
    refused = {path.absolute() for path in (*left_out, *written)}
    for path, root, is_named in files:
        place = path.absolute()
        if refused.isdisjoint([place, *place.parents]):
            kind = kind_of(path) or (_NEITHER if is_named else None)
            name = path.relative_to(root).with_suffix("").as_posix()
            real = Path(os.path.realpath(place))
            found[real] = found.get(real) or (kind and Source(path, name, root, kind))
    sources = [source for source in found.values() if source is not None]
    others = [path for path, source in found.items() if source is None]
    if not sources:
        held = f" among {counted(len(others), 'file')}" if others else ""
        held += " beside earlier predictions" if outputs else ""
        raise DatasetError(
            f"{', '.join(shown(Path(text)) for text in inputs)}: holds no images "
            f"({', '.join(IMAGE_SUFFIXES)}) and no videos ({', '.join(VIDEO_SUFFIXES)}){held}"
        )
    return Found(_with_own_names(sources), others, outputs)


def _expand(text: str | Path) -> list[tuple[Path, Path, bool]]:
    """Return files, the folders that their names are relative to, whether each was named."""
    path = Path(text)
    if path.is_dir():
        return [(file, path, False) for file in list_files(path, ("",), recursive=True)]
    if path.is_file():
        return [(path, path.parent, True)]
    if path.exists():
        raise DatasetError(f"{shown(path)}: a device or pipe; give a file, folder or pattern")
    if not glob.has_magic(str(text)):
        raise DatasetError(f"{shown(path)}: no such file or folder")
    before_wildcards = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts[:-1])
    root, found = Path(*before_wildcards), []
    for match in sorted(map(Path, glob.glob(str(text), recursive=True))):
        files = list_files(match, ("",), recursive=True) if match.is_dir() else [match]
        found += [(file, root, False) for file in files]
    if not found:
        raise DatasetError(f"{shown(path)}: this pattern matches no image or video")
    return found


def _with_own_names(sources: list[Source]) -> list[Source]:
    for better in (
        lambda source: source.name + source.path.suffix,
        lambda source: Path(source.root.absolute().name, source.name).as_posix(),
    ):
        clashing = _clashing(sources)
        sources = [
            replace(source, name=better(source)) if _key(source.name) in clashing else source for source in sources
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
    """Return names that several have, and of videos whose frames would lie among others."""
    counts = Counter(_key(source.name) for source in sources)
    folders = {parent.as_posix() for name in counts for parent in Path(name).parents}
    videos = {_key(source.name) for source in sources if source.is_video}
    return {name for name, count in counts.items() if count > 1} | (videos & folders)


def _key(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return nfc(name).casefold()
