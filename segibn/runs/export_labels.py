"""Predicted label maps -> polygons in the files of an annotation tool, for correction by hand."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from segibn.annotations.writing import AT_CORNERS, WRITERS, LabelledFrame, regions_of
from segibn.errors import DatasetError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.folders import list_files
from segibn.files.pictures import read_label_map
from segibn.files.pool import map_in_processes
from segibn.files.writing import read_json
from segibn.text import printable

_CHUNK = 4
_SUMMARY = "summary.json"  # of `segibn predict`, which names the classes


def export_labels(
    predictions: Path,
    kind: str,
    output: Path,
    *,
    images: Path | None = None,
    tolerance: float = 1.0,
    smallest: int = 64,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Path], int]:
    """Write the label maps of ``segibn predict`` as polygons -> files, how many regions.

    ``images``: the frames, for their file names (default: each is called .jpg). DatasetError: no
    predictions in the folder, or a frame without one.
    """
    labels = predictions / "labels"
    if not labels.is_dir() or not (predictions / _SUMMARY).is_file():
        raise DatasetError(
            f"{printable(predictions)}: no predictions in it; segibn predict FRAMES --output DIR writes them"
        )
    names = read_json(predictions / _SUMMARY).get("class_names")
    if not isinstance(names, list):
        raise DatasetError(f"{printable(predictions / _SUMMARY)}: names no classes; predict again")
    maps = {
        path.relative_to(labels).with_suffix("").as_posix(): path
        for path in list_files(labels, (".png",), recursive=True)
    }
    files: dict[str, str] = {}
    for path in list_files(images, IMAGE_SUFFIXES, recursive=True) if images else ():
        below = path.relative_to(images).as_posix()
        files[below[: -len(path.suffix)]] = files[path.name[: -len(path.suffix)]] = below
    missing = [name for name in maps if images and name not in files]
    if missing:
        raise DatasetError(f"{printable(images)}: no frame '{printable(missing[0])}' in it, which was predicted")
    trace = partial(_trace, list(map(str, names)), tolerance, smallest, kind in AT_CORNERS)
    items = [(path, files.get(name, f"{name}.jpg")) for name, path in maps.items()]
    frames = []
    for done, frame in enumerate(map_in_processes(trace, items, jobs, _CHUNK, "tracing regions"), start=1):
        frames.append(frame)
        if progress is not None:
            progress(done, len(items))
    return WRITERS[kind](frames, names, output), sum(len(frame.regions) for frame in frames)


def _trace(names: list[str], tolerance: float, smallest: int, corners: bool, item: tuple[Path, str]) -> LabelledFrame:
    path, image = item
    train_ids = read_label_map(path)
    regions = regions_of(train_ids, names, tolerance=tolerance, smallest=smallest, corners=corners)
    return LabelledFrame(image, (train_ids.shape[0], train_ids.shape[1]), regions)
