"""Fill a disk cache. In: samples, a label set, a folder. Out: one tile file a sample.

Every frame is written whole or not at all, and a frame that is there and still fits is left alone,
so a build that was killed resumes where it stopped. Threads do the work: reading, decoding and
compressing release the interpreter's lock.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from segibn.data.cache.disk_cache import CacheJob, path_of
from segibn.data.cache.tile_file import SUFFIX, TileFile, TileFileError, write_tile_file
from segibn.data.cache.tiles import encode, require_codecs
from segibn.data.frame import open_frame
from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError
from segibn.files.pool import map_in_threads
from segibn.files.writing import sha256_of

try:
    import fcntl
except ImportError:  # Windows: two builds at a time are not told apart there
    fcntl = None  # type: ignore[assignment]

Progress = Callable[[int, int], None]
"""Called with (done, total) after each frame."""
_MEASURED = 3
_LOCK = ".building"


def estimate(job: CacheJob, frames: Sequence[int], threads: int) -> tuple[int, float, int]:
    """Encode a few of the frames to be cached (indices of samples, at least one); writes nothing.

    -> Bytes of all, seconds with these threads, were they alone on the machine, and how many frames
    were measured for it. ImageFileError, LabelValueError: one of them cannot be read.
    """
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


def build(
    job: CacheJob, frames: Sequence[int], threads: int, progress: Progress | None = None
) -> None:
    """Cache frames, indices of the samples from `CacheState.bad`.

    DatasetError: another process is building this cache. SegibnError: a frame cannot be read, or
    the disk is full; what is done by then stays, and no file is left half written.
    """
    with _only_builder(job.folder):
        for leftover in job.folder.rglob(f".*.part{SUFFIX}"):
            leftover.unlink()
        cached = map_in_threads(lambda index: _cache_one(job, job.samples[index]), frames, threads)
        for done, _ in enumerate(cached, start=1):
            if progress is not None:
                progress(done, len(frames))


def verify(
    job: CacheJob, threads: int, progress: Progress | None = None
) -> tuple[int, list[DatasetError]]:
    """Read the samples' cached frames and check all checksums, those of the source files too.

    A file that fails is removed, so that the next build makes it again. -> How many frames are
    cached, and what was wrong, one error a file; frames that are not cached are no mistake.
    """
    require_codecs()
    paths = [(path_of(job.folder, sample.name), sample) for sample in job.samples]
    present = [(path, sample) for path, sample in paths if path.exists()]
    errors = []
    found = map_in_threads(lambda one: _damage(*one), present, threads)
    for done, ((path, _), error) in enumerate(found, start=1):
        if error is not None:
            errors.append(error)
            path.unlink()
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
    """What the pixels of a cached frame follow from."""
    return note["decoder"], note["image"]["sha256"], note["target"]["sha256"]


def _damage(path: Path, sample: SamplePaths) -> DatasetError | None:
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
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatasetError(
                    f"{folder}: another process is building this cache; wait for it"
                ) from None
            except OSError:  # a file system without locks: frames are still written atomically
                pass
        yield
