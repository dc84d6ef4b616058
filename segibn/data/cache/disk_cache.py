"""A training set's frames as compressed tiles on disk: one file a sample, built once, then read.

Before the first sample is read every file is held against the data set; a cache that does not fit
is refused. A file's note says what it was made of: size, time of change and SHA-256 of image and
label map, and the decoder's version where another could give other pixels. A build writes a frame
whole or not at all and leaves alone what still fits, so that a killed one resumes.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL

from segibn.data.cache.tile_file import SUFFIX, TileFile, TileFileError, write_tile_file
from segibn.data.cache.tiles import encode, require_codecs
from segibn.data.frame import open_frame
from segibn.data.samples import SHOWN, SamplePaths
from segibn.errors import DatasetError
from segibn.files.pool import map_in_threads
from segibn.files.writing import sha256_of
from segibn.labels.label_set import LabelSet
from segibn.text import counted

try:
    import fcntl
except ImportError:  # Windows: two builds at a time are not told apart there
    fcntl = None  # type: ignore[assignment]

Progress = Callable[[int, int], None]
"""Called with (done, total) after each frame."""
_MEASURED = 3
_LOCK = ".building"

# The rules of the reader; with other ones, the tiles of a cache could hold other pixels.
READER = "upright, colours held against the table"
HOW_TO_BUILD = "segibn cache CONFIG   (with the config and overrides of the run)"


@dataclass(frozen=True, eq=False)
class DiskCache(Sequence[TileFile]):
    """The cached frames of some samples, in their order; small, and safe to send to workers."""

    folder: Path
    names: list[str]

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
        """Open the cache; DatasetError: a frame is missing, damaged or stale, and what mends it."""
        state = self.inspect()
        if state.bad:
            raise DatasetError(self._refusal(state))
        return DiskCache(self.folder, [sample.name for sample in self.samples])

    def inspect(self) -> CacheState:
        """Hold the files' headers against the data set; DatasetError: one of its files is gone."""
        require_codecs()
        state = CacheState()
        for index, sample in enumerate(self.samples):
            path = path_of(self.folder, sample.name)
            if not path.exists():
                state.missing.append(index)
            elif (cached := TileFile.if_whole(path)) is None:
                state.damaged.append(index)
            elif not _follows(cached.note, self.facts_of(sample)):
                state.changed.append(index)
            else:
                state.good.append(index)
        return state

    def facts_of(self, sample: SamplePaths) -> dict[str, Any]:
        """Return what a cached frame depends on, without reading the files."""
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
            none = f"{self.folder}: no cache for this data set yet."
            return f"{none} Build it with:\n  {HOW_TO_BUILD}"
        frames = counted(len(self.samples), "frame")
        lines = [f"{self.folder}: the cache does not fit the data set ({frames})"]
        for text, found in (
            ("are not cached", state.missing),
            ("changed after they were cached", state.changed),
            ("are damaged or of another version", state.damaged),
        ):
            if found:
                names = ", ".join(self.samples[index].name for index in found[:SHOWN])
                lines.append(f"  {len(found):,} {text}: {names}{' ...' * (len(found) > SHOWN)}")
        return "\n".join([*lines, f"What still fits is kept by:\n  {HOW_TO_BUILD}"])


def path_of(folder: Path, name: str) -> Path:
    """Return where the frame of a sample is cached."""
    return Path(folder) / f"{name}{SUFFIX}"


def _follows(note: dict[str, Any], facts: dict[str, Any]) -> bool:
    files = all(note[key] == note[key] | facts[key] for key in ("image", "target"))
    return files and note["decoder"] == facts["decoder"]


def _stat(path: Path) -> dict[str, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; run segibn check") from error
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def estimate(job: CacheJob, frames: Sequence[int], threads: int) -> tuple[int, float, int]:
    """Encode a few frames -> bytes of all, seconds with these threads, how many were measured."""
    chosen = sorted(set(np.linspace(0, len(frames) - 1, _MEASURED).astype(int)))
    sizes, start = [], time.perf_counter()
    for place in chosen:
        sample = job.samples[frames[place]]
        job.note_of(sample)
        index, data = encode(*open_frame(sample, job.label_set, job.resize).read())
        sizes.append(index.nbytes + len(data))
    each_s = (time.perf_counter() - start) / len(chosen)
    threads = min(threads, len(frames))
    return int(np.mean(sizes) * len(frames)), each_s * len(frames) / threads, len(chosen)


def build(job: CacheJob, frames: Sequence[int], threads: int, progress: Progress | None = None) -> None:
    """Cache frames, indices of samples; DatasetError: another process is building this cache."""
    with _only_builder(job.folder):
        for leftover in job.folder.rglob(f".*.part{SUFFIX}"):
            leftover.unlink()
        cached = map_in_threads(lambda index: _cache_one(job, job.samples[index]), frames, threads)
        for done, _ in enumerate(cached, start=1):
            if progress is not None:
                progress(done, len(frames))


def verify(job: CacheJob, threads: int, progress: Progress | None = None) -> tuple[int, list[DatasetError]]:
    """Check all checksums, remove damaged files -> how many are cached, and what was wrong."""
    require_codecs()
    present = [one for one in job.samples if path_of(job.folder, one.name).exists()]
    errors = []
    found = map_in_threads(lambda one: _damage(job, one), present, threads)
    for done, (sample, error) in enumerate(found, start=1):
        if error is not None:
            errors.append(error)
            path_of(job.folder, sample.name).unlink()
        if progress is not None:
            progress(done, len(present))
    return len(present), errors


def _cache_one(job: CacheJob, sample: SamplePaths) -> None:
    note = job.note_of(sample)  # before the pixels: a later change must show
    path = path_of(job.folder, sample.name)
    old = TileFile.if_whole(path)
    if old is not None and _content(old.note) == _content(note):  # files only copied or touched
        old.renote(note)
        return
    image, target = open_frame(sample, job.label_set, job.resize).read()
    write_tile_file(path, target.shape, note, *encode(image, target))


def _content(note: dict) -> tuple[str, str, str]:
    return note["decoder"], note["image"]["sha256"], note["target"]["sha256"]


def _damage(job: CacheJob, sample: SamplePaths) -> DatasetError | None:
    path = path_of(job.folder, sample.name)
    try:
        cached = TileFile(path)
        if path.stat().st_size != cached.expected_bytes:
            return TileFileError(f"{path}: the file is cut short")
        cached.read()
        for key, source in (("image", sample.image), ("target", sample.target)):
            if sha256_of(source) != cached.note[key]["sha256"]:
                return TileFileError(f"{path}: made of another {source}")
    except DatasetError as error:
        return error
    return None


@contextlib.contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Keep a second build out of a folder; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{folder}: another process is building this cache; wait for it"
            raise DatasetError(message) from None
        except OSError:  # a file system without locks: frames are still written atomically
            pass
        yield
