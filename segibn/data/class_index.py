"""Data room: where each class is in a whole training set, found once and kept on disk.

In: samples and the label set that reads them. Out: a `ClassIndex`, pixels of each class in each
frame and points of it (`regions.py` has the rule). All cores build it; the file is right as long
as the label files keep their names, sizes and times, and is built anew when they do not. No torch.
"""

import logging
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.cache.fingerprint import cache_folder, fingerprint, hash_of, relative_name
from segibn.data.regions import class_regions
from segibn.data.samples import SamplePaths
from segibn.data.transforms import resize_target
from segibn.errors import DatasetError
from segibn.files import atomic_path
from segibn.files.pool import map_in_processes
from segibn.labels.label_set import LabelSet

logger = logging.getLogger(__name__)

VERSION = 2
"""Of the rule and the file; a new number makes every stored index stale."""

_CHUNK = 4
_WORTH_PROCESSES = 32
"""Frames from which on starting processes costs less than it saves."""

_TIMED = 5
"""Frames that a guess of the time to build is taken from."""

Progress = Callable[[int, int], None]
Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class ClassIndex:
    """The classes of N frames, as they are after ``data.resize``.

    Attributes:
        pixels: (N, K) int64, pixels of each class in each frame.
        frame: (M,) int32, the frame of each point, ascending.
        train_id: (M,) uint8, its class, ascending within a frame.
        place: (M, 2) int32, its row and column.
    """

    pixels: np.ndarray
    frame: np.ndarray
    train_id: np.ndarray
    place: np.ndarray

    @property
    def num_classes(self) -> int:
        """K."""
        return self.pixels.shape[1]


def load_or_build(
    title: str,
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: Size | None = None,
    *,
    datasets_root: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ClassIndex:
    """Read the index of a set from the cache folder; build and keep it if it is not right there.

    Args:
        title: of the set, for the file's name: ``gta5:train``.
        samples: labelled samples.
        label_set: reads the label maps' values.
        resize: (H, W) of the frames as they are trained on; None for the size on disk.
        datasets_root: the folder above the data sets; see `fingerprint.cache_folder`.
        jobs: processes that build.
        progress: called with (done, total) while it is built.

    Raises:
        ImageFileError, LabelValueError: a label map cannot be read.
        DatasetError: a sample has no label map, or a label map is not there.
        SegibnError: the result cannot be written.
    """
    file = index_file(title, samples, label_set, resize, datasets_root)
    mark = _mark(samples, label_set, resize, datasets_root)
    index = _read(file, mark)
    if index is None:
        index = build(samples, label_set, resize, jobs=jobs, progress=progress)
        _write(file, index, mark)
    return index


def is_kept(
    title: str,
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: Size | None = None,
    *,
    datasets_root: Path | None = None,
) -> bool:
    """Whether `load_or_build` would find the index of a set, whole and up to date.

    Raises:
        DatasetError: a sample has no label map, or a label map is not there.
    """
    file = index_file(title, samples, label_set, resize, datasets_root)
    return _read(file, _mark(samples, label_set, resize, datasets_root)) is not None


def estimate_seconds(
    samples: Sequence[SamplePaths], label_set: LabelSet, resize: Size | None = None, jobs: int = 1
) -> float:
    """Estimate how long `build` would take, from a few frames spread over the set.

    Raises:
        ImageFileError, LabelValueError: one of these label maps cannot be read.
    """
    chosen = np.linspace(0, len(samples) - 1, min(_TIMED, len(samples))).astype(int)
    paths = _label_maps([samples[index] for index in chosen])
    start = time.perf_counter()
    for path in paths:
        _index_frame(path, label_set=label_set, resize=resize)
    parallel = jobs if len(samples) >= _WORTH_PROCESSES else 1
    return (time.perf_counter() - start) / len(paths) * len(samples) / parallel


def build(
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: Size | None = None,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ClassIndex:
    """Decode every label map and index it; the result does not depend on ``jobs``.

    Raises:
        ImageFileError, LabelValueError: a label map cannot be read.
    """
    pixels, points = [], []
    find = partial(_index_frame, label_set=label_set, resize=resize)
    for number, (counts, found) in enumerate(_map(find, _label_maps(samples), jobs)):
        pixels.append(counts)
        points.append(np.insert(found, 0, number, axis=1))
        if progress is not None:
            progress(number + 1, len(samples))
    table = np.concatenate(points)
    return ClassIndex(
        np.stack(pixels),
        table[:, 0],
        table[:, 1].astype(np.uint8),
        np.ascontiguousarray(table[:, 2:]),
    )


def index_file(
    title: str,
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: Size | None,
    datasets_root: Path | None,
) -> Path:
    """Return where the index is kept: one file for each set of names, label table and resize."""
    names = [relative_name(path, datasets_root) for path in _label_maps(samples)]
    key = hash_of([names, _settings(label_set, resize)])[:12]
    plain = re.sub(r"[^A-Za-z0-9+._-]", "-", title)
    return cache_folder(datasets_root) / "class_index" / f"{plain}-{key}.npz"


def _mark(
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: Size | None,
    datasets_root: Path | None,
) -> str:
    """The fingerprint that a stored index must carry to be used."""
    try:
        return fingerprint(_label_maps(samples), datasets_root, _settings(label_set, resize))
    except OSError as error:
        raise DatasetError(
            f"{error.filename}: cannot be read ({error.strerror}); unpack the data set again"
        ) from error


def _settings(label_set: LabelSet, resize: Size | None) -> list[Any]:
    size = None if resize is None else list(resize)
    return [VERSION, label_set.num_classes, label_set.lookup.tolist(), str(label_set.colors), size]


def _label_maps(samples: Sequence[SamplePaths]) -> list[Path]:
    paths = [sample.target for sample in samples if sample.target is not None]
    if len(paths) < len(samples):
        raise DatasetError("an index of classes needs a split with label maps; take another split")
    return paths


def _index_frame(
    path: Path, *, label_set: LabelSet, resize: Size | None
) -> tuple[np.ndarray, np.ndarray]:
    target = label_set.to_train_ids(label_set.read(path), path)
    if resize is not None:
        target = resize_target(target, resize)
    return class_regions(target, label_set.num_classes)


def _map(
    find: Callable[[Path], tuple[np.ndarray, np.ndarray]], paths: Sequence[Path], jobs: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The regions of every frame in order, from this process or from several."""
    jobs = jobs if len(paths) >= _WORTH_PROCESSES else 1
    return map_in_processes(find, paths, jobs, _CHUNK, "reading the label maps")


def _read(file: Path, mark: str) -> ClassIndex | None:
    """The stored index, or None where there is none, an old one or a damaged one."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["fingerprint"]) != mark:
                logger.warning("%s: the label files have changed since; built anew", file)
                return None
            names = ("pixels", "frame", "train_id", "place")
            return ClassIndex(**{name: stored[name] for name in names})
    except FileNotFoundError:
        return None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s: damaged (%s); built anew", file, error)
        return None


def _write(file: Path, index: ClassIndex, mark: str) -> None:
    with atomic_path(file) as temporary:
        np.savez_compressed(
            temporary,
            fingerprint=np.array(mark),
            pixels=index.pixels,
            frame=index.frame,
            train_id=index.train_id,
            place=index.place,
        )
