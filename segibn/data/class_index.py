"""Where each class is in a training set, found once by all cores and kept on disk. No torch.

The file is right as long as the label files keep their names, sizes and times. Rule: `regions.py`.
"""

import hashlib
import json
import logging
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.cache_folder import cache_folder
from segibn.data.frame import Size, resize_target
from segibn.data.regions import class_regions
from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError
from segibn.files.pool import map_in_processes
from segibn.files.writing import atomic_path
from segibn.labels.label_set import LabelSet

logger = logging.getLogger(__name__)

VERSION = 2  # of the rule and the file; a new number makes every stored index stale
_CHUNK = 4
_WORTH_PROCESSES = 32  # frames from which on starting processes costs less than it saves
_TIMED = 5  # frames that a guess of the time to build is taken from


@dataclass(frozen=True, eq=False)
class ClassIndex:
    """The classes of N frames, as they are after ``data.resize``."""

    pixels: np.ndarray  # (N, K) int64, pixels of each class in each frame
    frame: np.ndarray  # (M,) int32, the frame of each point, ascending
    train_id: np.ndarray  # (M,) uint8, its class, ascending within a frame
    place: np.ndarray  # (M, 2) int32, its row and column


@dataclass(frozen=True)
class IndexJob:
    """A training set whose classes are looked up, and where the result is kept."""

    title: str  # of the set, for the file's name: ``gta5:train``
    samples: Sequence[SamplePaths]  # labelled samples
    label_set: LabelSet
    resize: Size | None = None
    """(H, W) of the frames as they are trained on; None for the size on disk."""
    datasets_root: Path | None = None

    def load_or_build(self, jobs: int = 1, progress: Callable[[int, int], None] | None = None) -> ClassIndex:
        """Read the index; build and keep it if it is not there, or stale; errors as `build`."""
        mark = self.mark()  # before the pixels: a later change must show
        index = self._read(mark)
        if index is None:
            index = self.build(jobs, progress)
            with atomic_path(self.file) as temporary:
                np.savez_compressed(temporary, fingerprint=np.array(mark), **vars(index))
        return index

    def build(self, jobs: int = 1, progress: Callable[[int, int], None] | None = None) -> ClassIndex:
        """Index every label map; ImageFileError, LabelValueError: one cannot be read."""
        pixels, points = [], []
        find = partial(_index_frame, label_set=self.label_set, resize=self.resize)
        jobs = jobs if len(self.samples) >= _WORTH_PROCESSES else 1
        paths = [sample.target for sample in self.samples]
        for number, (counts, found) in enumerate(map_in_processes(find, paths, jobs, _CHUNK, "reading the label maps")):
            pixels.append(counts)
            points.append(np.insert(found, 0, number, axis=1))
            if progress is not None:
                progress(number + 1, len(paths))
        table = np.concatenate(points)
        places = np.ascontiguousarray(table[:, 2:])
        return ClassIndex(np.stack(pixels), table[:, 0], table[:, 1].astype(np.uint8), places)

    def is_kept(self) -> bool:
        """Whether `load_or_build` would find the index, whole and up to date."""
        return self._read(self.mark()) is not None

    def estimate_seconds(self, jobs: int = 1) -> float:
        """Estimate how long `build` would take, from a few frames."""
        chosen = np.linspace(0, len(self.samples) - 1, min(_TIMED, len(self.samples))).astype(int)
        start = time.perf_counter()
        for index in chosen:
            _index_frame(self.samples[index].target, label_set=self.label_set, resize=self.resize)
        parallel = jobs if len(self.samples) >= _WORTH_PROCESSES else 1
        return (time.perf_counter() - start) / len(chosen) * len(self.samples) / parallel

    @property
    def file(self) -> Path:
        """Where the index is kept: one file for each set of names, label table and resize."""
        key = _hash([self._names(), self._settings()])[:12]
        plain = re.sub(r"[^A-Za-z0-9+._-]", "-", self.title)
        return cache_folder(self.datasets_root) / "class_index" / f"{plain}-{key}.npz"

    def _settings(self) -> list[Any]:
        size, table = None if self.resize is None else list(self.resize), self.label_set
        return [VERSION, table.num_classes, table.lookup.tolist(), str(table.colors), size]

    def mark(self) -> str:
        """Return what changes with the settings and any label map's name, size or time."""
        try:
            found = [sample.target.stat() for sample in self.samples]
        except OSError as error:
            raise DatasetError(
                f"{error.filename}: cannot be read ({error.strerror}); unpack the data set again"
            ) from error
        facts = [[name, status.st_size, status.st_mtime_ns] for name, status in zip(self._names(), found, strict=True)]
        return _hash([facts, self._settings()])

    def _names(self) -> list[str]:
        """Paths of the label maps below the data sets' root, which may so be moved."""
        root, files = self.datasets_root or Path(), [sample.target for sample in self.samples]
        below = [one.relative_to(root) if one.is_relative_to(root) else one for one in files]
        return [path.as_posix() for path in below]

    def _read(self, mark: str) -> ClassIndex | None:
        """The stored index, or None where there is none, an old one or a damaged one."""
        file = self.file
        try:
            with np.load(file, allow_pickle=False) as stored:
                if str(stored["fingerprint"]) != mark:
                    logger.warning("%s: the label files have changed since; built anew", file)
                    return None
                return ClassIndex(**{name: stored[name] for name in ("pixels", "frame", "train_id", "place")})
        except FileNotFoundError:
            return None
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            logger.warning("%s: damaged (%s); built anew", file, error)
            return None


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _index_frame(path: Path, *, label_set: LabelSet, resize: Size | None) -> tuple[np.ndarray, np.ndarray]:
    target = label_set.to_train_ids(label_set.read(path), path)
    if resize is not None:
        target = resize_target(target, resize)
    return class_regions(target, label_set.num_classes)
