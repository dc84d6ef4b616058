"""Scalabel JSON with masks as run lengths (BDD100K's RLE format): files in, train ids out.

A list of frames or ``{"frames": [...]}``; a frame has a name and labels, a label category and RLE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import DatasetError, ImageFileError, SegibnError
from segibn.files.folders import list_files
from segibn.files.rle import decode_rle
from segibn.labels.label_set import IGNORE_INDEX
from segibn.text import printable, read_small_file
from segibn.text.plain_data import parse_json

_MAX_PIXELS = 1 << 26
_MAX_BYTES = 1 << 29  # of a file; 20,000 frames of drivable area take about a tenth
_BACKGROUND = "background"  # the model zoo writes it, the toolkit knows no such category


@dataclass(frozen=True)
class RleFrame:
    """The labelled masks of one frame, in the order of the file."""

    source: str
    labels: tuple[tuple[str, Any], ...]
    """(category, RLE) of each label that has a mask."""

    def to_train_ids(self, categories: Sequence[str]) -> NDArray[np.uint8] | None:
        """Lay the masks one over the other, as the toolkit does -> (H, W) uint8 train ids or 255.

        None if no label is of the ``categories``, K names in train-id order. An ImageFileError for
        a damaged RLE, or masks of different sizes.
        """
        index_of = {name: index for index, name in enumerate(categories)}
        found = None
        for category, rle in self.labels:
            if category not in index_of:
                continue
            mask = _decode(rle, f"{self.source}, {category}")
            if found is None:
                found = np.full(mask.shape, IGNORE_INDEX, np.uint8)
            if found.shape != mask.shape:
                raise ImageFileError(f"{self.source}: masks of {found.shape} and {mask.shape} (H, W) in one frame")
            found[mask] = index_of[category]
        return found


def read_rle_frames(path: Path, categories: Sequence[str]) -> dict[PurePath, RleFrame]:
    """Read the frames of a JSON file, or of all JSON files of a folder (not of its subfolders).

    At least one label must be of the ``categories``. Keys: frame names, folders included.
    """
    files = list_files(path, (".json",)) if Path(path).is_dir() else [Path(path)]
    frames: dict[PurePath, RleFrame] = {}
    found: set[str] = set()
    for file in files:
        for number, frame in enumerate(frame_list(file)):
            name, labels = _read_frame(frame, f"{file}, frame {number}")
            key = PurePosixPath(name).with_suffix("")
            if key in frames:
                raise DatasetError(f"{file}: frame '{printable(key)}' is also in {frames[key].source}")
            frames[key] = RleFrame(f"{file}, frame {printable(name)}", labels)
            found |= {category for category, _ in labels}
    if found - {_BACKGROUND} and not found & set(categories):
        raise DatasetError(
            f"{path}: no label is of a category of this task ({', '.join(categories)}); it has "
            f"{', '.join(printable(name) for name in sorted(found)[:8])}"
        )
    return frames


def _decode(rle: Any, source: str) -> NDArray[np.bool_]:
    size: Any = rle.get("size") if isinstance(rle, Mapping) else None
    is_size = isinstance(size, list) and len(size) == 2 and all(type(n) is int for n in size)
    if not is_size or min(size) < 1 or size[0] * size[1] > _MAX_PIXELS:
        raise ImageFileError(f"{source}: rle.size is {size!r}, not [height, width]")
    try:
        return decode_rle(rle, (size[0], size[1]))
    except ImageFileError as error:
        raise ImageFileError(f"{source}: {error}") from None


def frame_list(file: Path, error: type[SegibnError] = DatasetError) -> list[Any]:
    """Read the list of frames of a JSON file of at most 512 MiB; raises ``error`` for another."""
    data = parse_json(read_small_file(file, _MAX_BYTES, error), str(file), error)
    frames = data.get("frames") if isinstance(data, Mapping) else data
    if not isinstance(frames, list):
        raise error(f"{printable(file)}: holds no list of frames: expected that, or an object with 'frames'")
    return frames


def _read_frame(frame: Any, source: str) -> tuple[str, tuple[tuple[str, Any], ...]]:
    name = frame.get("name") if isinstance(frame, Mapping) else None
    if not isinstance(name, str) or not PurePosixPath(name).name:
        raise DatasetError(f"{source}: expected an object with a 'name'")
    source = f"{source} ({printable(name)})"
    listed = frame.get("labels") or ()
    if not isinstance(listed, list | tuple):
        raise DatasetError(f"{source}: 'labels' is no list")
    labels = []
    for label in listed:
        if not isinstance(label, Mapping) or not isinstance(label.get("category"), str):
            raise DatasetError(f"{source}: a label without 'category'")
        if label.get("rle") is not None:
            labels.append((label["category"], label["rle"]))
        elif label.get("poly2d") is not None:
            raise DatasetError(
                f"{source}: a label has a polygon and no mask; use the RLE files "
                "(rles/*.json), polygons are not drawn here"
            )
    return name, tuple(labels)
