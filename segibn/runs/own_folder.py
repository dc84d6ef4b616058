"""A user's folder, looked at: what kind its labels are, what classes they hold, a config for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.datasets.catalog import dataset_sources
from segibn.errors import DatasetError, ImageFileError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.folders import list_files
from segibn.files.pictures import image_size, read_image, read_label_map
from segibn.files.pool import map_in_processes
from segibn.labels.label_set import IGNORE_INDEX
from segibn.runs.own_config import Size, below, own_config
from segibn.text import counted, listed, printable

_IMAGES = ("images", "image", "img", "imgs", "frames", "rgb", "JPEGImages", "leftImg8bit")
_LABELS = ("labels", "label", "masks", "mask", "annotations", "annots", "gt", "gtFine", "targets", "SegmentationClass")
_SPLITS = ("train", "val")
_MOST_COLORS = 64  # of label pictures; photographs have thousands
_CHUNK = 32

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Found:
    """A folder that is understood."""

    config: str  # its text
    root: Path  # the data sets' root that its paths lie below
    classes: list[str]
    kind: str  # what the labels are


@dataclass(frozen=True)
class _Side:
    """Files of one kind by their path below a folder, without the ending that all share."""

    folder: Path
    ending: str
    files: dict[str, Path]


def label_folder(images: Path) -> tuple[Path, Path]:
    """Return the folders of frames and of labels in a folder that holds both.

    DatasetError: no folder in it is called as labels are, and no label map lies beside the frames.
    """
    inside = {path.name: path for path in images.iterdir() if path.is_dir()}
    frames = next((inside[name] for name in _IMAGES if name in inside), None)
    labels = next((inside[name] for name in _LABELS if name in inside), None)
    if labels is not None:
        return frames or images, labels
    kinds = Counter(path.suffix.lower() for path in list_files(images, IMAGE_SUFFIXES, recursive=True))
    if kinds[".png"] and len(kinds) > 1:  # a.jpg beside a.png or a_mask.png
        return images, images
    raise DatasetError(
        f"{printable(images)}: no labels in it: no folder {', '.join(_LABELS[:5])} ..., and no PNGs beside the "
        f"frames. Name the folder of labels: segibn init IMAGES LABELS. Nothing is labelled yet? "
        f"segibn predict {printable(images)} shows what a network makes of it"
    )


def describe_folder(
    images: Path, labels: Path, name: str, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> Found:
    """Propose a config for frames and label maps, PNGs of values or of colours.

    DatasetError: they cannot be paired, are of different sizes, or are photographs.
    """
    root = Path(*_common_parts(images.absolute(), labels.absolute()))
    frames, maps = _pair(images, labels)
    values, colors, sizes = _look(frames, maps, jobs, progress)
    rows = _rows_of_colors(colors) if colors else _rows_of_values(values)
    places = [below(side.folder, root) or "." for side in (frames, maps)]
    has_splits = all((side.folder / split).is_dir() for side in (frames, maps) for split in _SPLITS)
    if has_splits:
        places = [f"{place}/{{split}}" for place in places]
    files = {"images": places[0], "targets": places[1], "target_suffix": maps.ending}
    if frames.ending:
        files["image_suffix"] = frames.ending
    classes = [row["name"] for row in rows if row["train_id"] != IGNORE_INDEX]
    if len(classes) < 2:
        raise DatasetError(
            f"{printable(labels)}: {counted(len(classes), 'value')} in all label maps, nothing to tell apart"
        )
    kind = "colours" if colors else "values"
    many = counted(len(frames.files), "frame"), counted(len(classes), "class", "classes")
    about = f"{name}: {many[0]}, label maps of {kind}, {many[1]}."
    return Found(own_config(files, rows, sizes, has_splits=has_splits, about=about), root, classes, kind)


def _common_parts(one: Path, other: Path) -> Iterator[str]:
    for a, b in zip(one.parts, other.parts, strict=False):
        if a != b:
            return
        yield a


def _pair(images: Path, labels: Path) -> tuple[_Side, _Side]:
    """Frames and label maps of equal names, by the endings that pair most of them."""
    pictures = {p.relative_to(images).as_posix(): p for p in list_files(images, IMAGE_SUFFIXES, recursive=True)}
    if labels == images:
        kinds = Counter(Path(name).suffix.lower() for name in pictures)
        maps = {name: path for name, path in pictures.items() if path.suffix.lower() == ".png"}
        pictures = {name: path for name, path in pictures.items() if name not in maps}
        if not pictures:  # all PNGs: the label maps' names are the longer ones
            raise DatasetError(
                f"{printable(images)}: frames and label maps are all {', '.join(kinds)}; give two folders"
            )
    else:
        maps = {p.relative_to(labels).as_posix(): p for p in list_files(labels, (".png",), recursive=True)}
        pictures = {name: path for name, path in pictures.items() if labels not in path.parents}
    if not pictures or not maps:
        missing = "frames" if not pictures else "label maps (*.png)"
        raise DatasetError(f"{printable(images if not pictures else labels)}: no {missing} in it")
    stems = {name[: -len(Path(name).suffix)]: name for name in pictures}
    image_ending = _shared_ending(list(stems))
    cores = {stem[: len(stem) - len(image_ending)]: name for stem, name in stems.items()}
    endings = Counter[str]()
    for name in maps:
        core = next((name[:n] for n in range(len(name) - 4, 0, -1) if name[:n] in cores), None)
        if core is not None:
            endings[name[len(core) :]] += 1
    if not endings:
        a, b = next(iter(pictures)), next(iter(maps))
        raise DatasetError(f"frames ({printable(a)}) and label maps ({printable(b)}) have no names in common")
    ending, _ = endings.most_common(1)[0]
    targets = {name[: -len(ending)]: path for name, path in maps.items() if name.endswith(ending)}
    both = {core: pictures[name] for core, name in cores.items() if core in targets}
    suffixes = {path.suffix for path in both.values()}
    own = image_ending + next(iter(suffixes)) if image_ending or labels == images else ""
    if own and len(suffixes) > 1:
        raise DatasetError(f"{printable(images)}: frames end in {listed(sorted(suffixes))}; convert them to one kind")
    return _Side(images, own, both), _Side(labels, ending, {core: targets[core] for core in both})


def _shared_ending(stems: Sequence[str]) -> str:
    """What all names end with, from an underscore on: _leftImg8bit."""
    ends = {stem[stem.rfind("_") :] for stem in stems if "_" in stem}
    end = next(iter(ends)) if len(ends) == 1 and all("_" in stem for stem in stems) else ""
    return end if len(stems) > 1 and any(c.isalpha() for c in end) else ""


def _look(
    frames: _Side, maps: _Side, jobs: int, progress: Callable[[int, int], None] | None
) -> tuple[Counter[int], Counter[Color], Counter[Size]]:
    """Every label map's values, or where it is a picture its colours; the frames' sizes."""
    items = [(frames.files[core], maps.files[core]) for core in sorted(frames.files)]
    as_colors = _is_colored(items[0][1])
    values, colors, sizes = Counter[int](), Counter[Color](), Counter[Size]()
    found = map_in_processes(partial(_facts, as_colors), items, jobs, _CHUNK, "looking at the labels")
    for done, (counts, size) in enumerate(found, start=1):
        (colors if as_colors else values).update(counts)
        sizes[size] += 1
        if len(colors) > _MOST_COLORS:
            raise DatasetError(
                f"{printable(maps.folder)}: more than {_MOST_COLORS} colours in its pictures, such as "
                f"{printable(items[done - 1][1])}: photographs, or label maps with smoothed edges. Label maps "
                "hold one value or exact colour for each class"
            )
        if progress is not None:
            progress(done, len(items))
    return values, colors, sizes


def _is_colored(path: Path) -> bool:
    try:
        read_label_map(path)
    except ImageFileError:
        return True
    return False


def _facts(as_colors: bool, item: tuple[Path, Path]) -> tuple[dict[Any, int], Size]:
    image, target = item
    size = image_size(image)
    if as_colors:
        pixels = read_image(target).astype(np.uint32)
        codes, counts = np.unique((pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2], return_counts=True)
        found = [
            (((c >> 16) & 255, (c >> 8) & 255, c & 255), n)
            for c, n in zip(codes.tolist(), counts.tolist(), strict=True)
        ]
        if pixels.shape[:2] != size:
            raise _sizes_differ(image, target)
        return dict(found[: 4 * _MOST_COLORS]), size
    values = read_label_map(target)
    if values.shape != size:
        raise _sizes_differ(image, target)
    counts = np.bincount(values.ravel(), minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}, size


def _sizes_differ(image: Path, target: Path) -> DatasetError:
    return DatasetError(f"{printable(target)} is not of the size of its frame {printable(image)}; a label map is")


def _rows_of_values(values: Counter[int]) -> list[dict[str, Any]]:
    """A row for each value, named by its number; 255 is ignored."""
    rows = []
    for value in sorted(values):
        is_ignored = value == IGNORE_INDEX
        train_id = IGNORE_INDEX if is_ignored else len(rows)
        rows.append({"name": "ignored" if is_ignored else f"class {value}", "label_id": value, "train_id": train_id})
    return rows


def _rows_of_colors(colors: Counter[Color]) -> list[dict[str, Any]]:
    """A row for each colour, the most frequent first, named where a public set has all or most of them."""
    known: dict[Color, str] = {}
    for source in dataset_sources():
        for table in source.tables.values():
            own = {tuple(row.color): row.name for row in reversed(table.labels) if row.has_color}
            if len(own.keys() & colors.keys()) > len(known.keys() & colors.keys()):
                known = own
    if len(known.keys() & colors.keys()) < max(3, len(colors) // 2):
        known = {}
    rows: list[dict[str, Any]] = []
    for color, _ in colors.most_common():
        name = known.get(color, "black" if color == (0, 0, 0) else f"class {len(rows)}")
        rows.append({"name": name, "label_id": len(rows), "train_id": len(rows), "color": list(color)})
    return rows
