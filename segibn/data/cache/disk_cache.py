"""A training set's frames as compressed tiles on disk, made once by `disk_cache_build.py`.

Before the first sample is read every file is held against the data set: a cache that does not
belong to it any more is refused, never used. What a file was made of stands in its note: size, time
of change and SHA-256 of image and label map, and the version of the decoder where another one could
give other pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import PIL

from segibn.data.cache.tile_file import SUFFIX, TileFile
from segibn.data.cache.tiles import require_codecs
from segibn.data.samples import SHOWN, SamplePaths
from segibn.errors import DatasetError
from segibn.files.writing import sha256_of
from segibn.labels.label_set import LabelSet
from segibn.text import counted

READER = "upright, colours held against the table"
"""The rules of the reader; with other ones, the tiles of a cache could hold other pixels."""

HOW_TO_BUILD = "segibn cache CONFIG   (with the config and overrides of the run)"


class DiskCache(Sequence[TileFile]):
    """The cached frames of some samples, in their order; small, and safe to send to workers."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = Path(folder)
        self.names = list(names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> TileFile:  # type: ignore[override]
        """Open a frame; TileFileError: its file is missing or damaged."""
        return TileFile(path_of(self.folder, self.names[index]))


@dataclass
class CacheState:
    """How the files of a cache stand to the samples of a data set, by index of the sample."""

    good: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    """Made of files that have changed since, or by another decoder."""
    damaged: list[int] = field(default_factory=list)
    """Of another version, cut short, or with a wrong checksum in the header."""

    @property
    def bad(self) -> list[int]:
        """All samples that have to be cached (again), in order."""
        return sorted([*self.missing, *self.changed, *self.damaged])


@dataclass(frozen=True)
class CacheJob:
    """The disk cache of labelled samples; its folder may hold more than these."""

    samples: Sequence[SamplePaths]
    label_set: LabelSet
    resize: tuple[int, int] | None
    """(H, W) that the frames get before they are cached, None for native size."""
    folder: Path

    def open(self) -> DiskCache:
        """Open the cache.

        DatasetError: a frame is missing, damaged, or older than the file that it was made of; the
        message says the command that mends it.
        """
        state = self.inspect()
        if state.bad:
            raise DatasetError(self._refusal(state))
        return DiskCache(self.folder, [sample.name for sample in self.samples])

    def inspect(self) -> CacheState:
        """Hold the headers of the cache's files against the data set; no pixel is read.

        DatasetError: a file of the data set is missing. ConfigError: imagecodecs is not installed.
        """
        require_codecs()
        state = CacheState()
        for index, sample in enumerate(self.samples):
            path = path_of(self.folder, sample.name)
            if not path.exists():
                state.missing.append(index)
            elif (cached := TileFile.if_whole(path)) is None:
                state.damaged.append(index)
            elif _without_hashes(cached.note) != self.facts_of(sample):
                state.changed.append(index)
            else:
                state.good.append(index)
        return state

    def facts_of(self, sample: SamplePaths) -> dict[str, Any]:
        """Return what a cached frame depends on, as far as it is told without reading the files.

        DatasetError: a file is missing.
        """
        # A PNG decodes to the same pixels everywhere; other kinds and a resize depend on libraries.
        is_exact = sample.image.suffix.lower() == ".png" and self.resize is None
        libraries = f"opencv {cv2.__version__}, pillow {PIL.__version__}"
        return {
            "image": _stat(sample.image),
            "target": _stat(sample.target),
            "decoder": READER if is_exact else f"{READER}, {libraries}",
        }

    def note_of(self, sample: SamplePaths) -> dict[str, Any]:
        """Return the facts with the SHA-256 of both files, which are read for it."""
        note = self.facts_of(sample)
        for key, path in (("image", sample.image), ("target", sample.target)):
            note[key]["sha256"] = sha256_of(path)
        return note

    def _refusal(self, state: CacheState) -> str:
        if len(state.missing) == len(self.samples):
            return (
                f"{self.folder}: no cache for this data set yet. Build it with:\n  {HOW_TO_BUILD}"
            )
        counts = {
            "are not cached": state.missing,
            "changed after they were cached": state.changed,
            "are damaged or of another version": state.damaged,
        }
        frames = counted(len(self.samples), "frame")
        lines = [f"{self.folder}: the cache does not fit the data set ({frames})"]
        for text, found in counts.items():
            if found:
                names = ", ".join(self.samples[index].name for index in found[:SHOWN])
                lines.append(f"  {len(found):,} {text}: {names}{' ...' * (len(found) > SHOWN)}")
        lines.append(f"What still fits is kept by:\n  {HOW_TO_BUILD}")
        return "\n".join(lines)


def path_of(folder: Path, name: str) -> Path:
    """Return where the frame of a sample is cached."""
    return Path(folder) / f"{name}{SUFFIX}"


def _without_hashes(note: dict[str, Any]) -> dict[str, Any]:
    files = {key: dict(note[key]) for key in ("image", "target")}
    for facts in files.values():
        facts.pop("sha256", None)
    return note | files


def _stat(path: Path) -> dict[str, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; run segibn check") from error
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
