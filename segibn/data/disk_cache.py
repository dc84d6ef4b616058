"""A training set's frames as plain pixels on disk, each written when it is first read.

Reading a crop of one costs the pages under it, and no decoding. A file's name follows from all that
its pixels do: name, size and time of change of image and label map, label table, size asked for. So
a frame that changed is another file; old ones may be deleted at any time.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segibn.data.frame import ArrayFrame, Arrays, Size, open_frame
from segibn.data.frames import estimate_gib
from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError
from segibn.files.png import Box
from segibn.files.writing import atomic_path
from segibn.labels.label_set import LabelSet


class PixelFrame(ArrayFrame):
    """A frame in (H, W, 4) uint8: red, green, blue and train id."""

    def __init__(self, pixels: np.ndarray) -> None:
        super().__init__(pixels[..., :3], pixels[..., 3])

    def read(self, box: Box | None = None) -> Arrays:
        """Copy a window."""
        image, target = super().read(box)
        return np.ascontiguousarray(image), np.ascontiguousarray(target)


@dataclass(frozen=True, eq=False)
class DiskCache(Sequence[PixelFrame]):
    """The frames of some samples below a folder; processes may share it."""

    samples: Sequence[SamplePaths]
    label_set: LabelSet
    resize: Size | None
    folder: Path

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> PixelFrame:  # type: ignore[override]
        """Open a frame, after writing it if need be; errors as `open_frame`."""
        path = self.path_of(index)
        if (found := _open(path)) is not None:
            return PixelFrame(found)
        image, target = open_frame(self.samples[index], self.label_set, self.resize).read()
        pixels = np.dstack([image, target])
        with atomic_path(path) as part, part.open("wb") as file:
            np.save(file, pixels)
        return PixelFrame(pixels)

    def path_of(self, index: int) -> Path:
        """Where the frame of a sample is, or will be."""
        sample = self.samples[index]
        files = [sample.image, *([sample.target] if sample.target else [])]
        try:
            marks = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        except OSError as error:
            raise DatasetError(f"{error.filename}: {error.strerror}") from error
        content = f"{sample.name} {marks} {self.resize} {self.label_set.colors}".encode(errors="backslashreplace")
        digest = hashlib.sha256(content + self.label_set.lookup.tobytes()).hexdigest()
        return self.folder / digest[:2] / f"{digest[2:32]}.npy"

    def require_space(self) -> None:
        """Raise DatasetError where the disk has no room for the frames that are not there yet."""
        there = sum(self.path_of(index).is_file() for index in range(len(self)))  # not those of other sizes
        need = estimate_gib(self.samples, self.resize) * 2**30 * (1 - there / max(1, len(self)))
        above = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(above).free
        if need > free:
            raise DatasetError(
                f"data.cache disk would take about {need / 2**30:.1f} GiB more in {self.folder}, where "
                f"{free / 2**30:.1f} are free; name another disk by SEGIBN_CACHE, or set a smaller `resize`"
            )


def _open(path: Path) -> np.ndarray | None:
    """Map a file into memory; None where it is not there, or no frame."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 4 else None
