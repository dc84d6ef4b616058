"""Annotations of another tool -> a folder with frames, label maps and a config to train on them."""

import os
import secrets
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from segibn.annotations.formats import FORMATS
from segibn.annotations.shapes import AnnotatedFrame, Annotations
from segibn.errors import DatasetError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.encode import write_label_png
from segibn.files.folders import list_files
from segibn.files.pictures import image_size, read_label_map
from segibn.files.pool import map_in_processes
from segibn.files.writing import write_text
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX
from segibn.runs.own_config import Size, own_config
from segibn.text import counted, listed, nfc, printable

_CHUNK = 8
_MOST_CLASSES = 200
_IGNORED = {"name": "ignored", "label_id": IGNORE_INDEX, "train_id": IGNORE_INDEX}

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Imported:
    """What was written."""

    config: Path
    frames: int
    rows: Rows  # of the label table
    notes: list[str]


def import_annotations(
    kind: str,
    source: Path,
    output: Path,
    *,
    images: Path | None = None,
    classes: Sequence[str] = (),
    unlabelled: str | None = None,
    over: Path | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Write ``output/images``, ``output/labels`` and ``output/NAME.yaml``, or nothing.

    ``kind``: of `FORMATS`; ``images``: where the frames are, by default beside the annotations;
    ``classes``: those to keep, in this order; ``unlabelled``: what pixels of no object are,
    "background" (a class, the default) or "ignored"; ``over``: a folder of label maps to draw on, or of
    `segibn predict`, PNGs of the frames' names whose values are places in ``classes``, 255 ignored.
    DatasetError: a file is damaged, has no image, or one of another size; ``output`` is not empty; ``over``
    without ``classes``, with ``unlabelled`` or whole masks, or a map there is missing or has a value of no class.
    """
    if twice := [name for name, number in Counter(classes).items() if number > 1]:
        raise DatasetError(f"--classes names {listed(twice)} twice")
    if over is not None:
        over = _below(over, applies=bool(classes) and unlabelled is None and kind != "cvat-masks")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DatasetError(f"{printable(output)}: is there already; name a new folder")
    read = FORMATS[kind].read(source)
    if not read.frames:
        raise DatasetError(f"{printable(source)}: no annotations of the format {kind} ({FORMATS[kind].title})")
    where = images or (source if source.is_dir() else source.parent)
    found, spare = _find_images(read.frames, where, kind)
    rows, ids = _numbered(classes) if over else _table(kind, read, classes, unlabelled or "background")
    notes = list(read.notes)
    if spare:
        notes.append(f"{counted(spare, 'image')} without annotations left out")
    left = Counter(s.label for f in read.frames for s in f.shapes if s.label not in ids and not s.is_ignored)
    notes += [f"{counted(n, 'object')} of '{printable(name)}' left out: not in --classes" for name, n in left.items()]
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    base = over or (IGNORE_INDEX if unlabelled == "ignored" else ids[read.background])
    write = partial(_write, replace(read, frames=()), ids, base, temporary)
    sizes: Counter[Size] = Counter()
    try:
        items = list(zip(read.frames, found, strict=True))
        for done, size in enumerate(map_in_processes(write, items, jobs, _CHUNK, "drawing label maps"), start=1):
            sizes[size] += 1
            if progress is not None:
                progress(done, len(items))
        config = f"{output.name}.yaml"
        about = f"{printable(output.name)}: {counted(len(items), 'frame')}, annotations of the format {kind}."
        files = {"images": "images", "targets": "labels"}
        write_text(temporary / config, own_config(files, rows, sizes, has_splits=False, about=about))
        if output.exists():
            output.rmdir()
        temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Imported(output / config, len(items), rows, notes)


def _below(over: Path, *, applies: bool) -> Path:
    """The folder of the label maps that are drawn on."""
    if not applies:
        raise DatasetError(
            "--over DIR needs --classes, the names of the values 0, 1, ... of its label maps, and shapes to draw on "
            "them: the format cvat-masks has none, and --unlabelled does not apply, as other pixels keep their values"
        )
    if not over.is_dir():
        raise DatasetError(f"--over {printable(str(over))}: no such folder")
    return over / "labels" if (over / "labels").is_dir() else over  # what `segibn predict` wrote


def _numbered(classes: Sequence[str]) -> tuple[Rows, dict[str, int]]:
    """As `_table`, of label maps whose values are places in ``classes``."""
    ids = {name: value for value, name in enumerate(_trainable(classes))}
    rows: Rows = [{"name": name, "label_id": value, "train_id": value} for name, value in ids.items()]
    return [*rows, _IGNORED], ids


def _trainable(names: Sequence[str]) -> Sequence[str]:
    if not names or len(names) > _MOST_CLASSES:
        raise DatasetError(f"{counted(len(names), 'class', 'classes')}; 1 to {_MOST_CLASSES} can be trained")
    return names


def _table(kind: str, read: Annotations, classes: Sequence[str], unlabelled: str) -> tuple[Rows, dict[str, int]]:
    """The rows of the config's table, and the value of each class that is drawn."""
    unknown = [name for name in classes if name not in read.classes]
    if unknown:
        raise DatasetError(f"--classes {listed(unknown)}: no such class; there are {', '.join(read.classes)}")
    if kind == "cityscapes" and not classes:
        known = [row for row in CITYSCAPES.labels if row.label_id >= 0]
        rows: Rows = [
            {"name": row.name, "label_id": row.label_id, "train_id": row.train_id, "color": list(row.color)}
            for row in known
        ]
        return [*rows, _IGNORED], {row.name: row.label_id for row in known}
    names = _trainable(list(classes) or list(read.classes))
    rows, ids = [], {}
    if unlabelled == "background":
        rows.append({"name": read.background, "label_id": 0, "train_id": 0, "color": [0, 0, 0]})
        ids[read.background] = 0
    taken = {(0, 0, 0)}
    for name in names:
        train_id = len(rows)
        row: dict[str, Any] = {"name": name, "label_id": len(ids) + (unlabelled == "ignored"), "train_id": train_id}
        color = read.colors.get(name)
        if color is not None and color not in taken:
            taken.add(color)
            row["color"] = list(color)
        rows.append(row)
        ids[name] = row["label_id"]
    if len(rows) < 2:
        raise DatasetError(f"'{printable(names[0])}' alone is nothing to tell apart; leave out --unlabelled ignored")
    return [*rows, _IGNORED], ids


def _find_images(frames: Sequence[AnnotatedFrame], folder: Path, kind: str) -> tuple[list[tuple[Path, str]], int]:
    """Each frame's image with its path below the output, and how many images none names."""
    files = list_files(folder, IMAGE_SUFFIXES, recursive=True)
    drawn = {frame.colors for frame in frames}
    files = [path for path in files if path not in drawn]
    by_path: dict[str, Path] = {}
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        below = nfc(path.relative_to(folder).as_posix())
        stem = below[: -len(path.suffix)]
        for key in (below, stem, stem.removesuffix("_leftImg8bit")):
            by_path.setdefault(key, path)
            by_name[key.rpartition("/")[2]].append(path)
    found: list[Path] = []
    for frame in frames:
        # Paths come from other machines, with drives, backslashes and "..": only names are taken.
        parts = [
            part
            for part in PureWindowsPath(nfc(frame.image)).parts
            if part not in ("..", "/", "\\") and ":" not in part
        ]
        keys = ["/".join(parts[start:]) for start in range(len(parts))]
        match = next((by_path[key] for key in keys if key in by_path), None)
        candidates = list(dict.fromkeys(by_name.get(keys[-1], ()))) if keys and match is None else []
        if len(candidates) > 1:
            raise DatasetError(
                f"{printable(frame.source)}: '{printable(frame.image)}' may be {listed(candidates)}; "
                "give --images the folder that holds one of them"
            )
        if match is None and not candidates:
            raise DatasetError(
                f"{printable(frame.source)}: no image '{printable(frame.image)}' below {printable(folder)}; "
                "--images DIR says where the frames are"
            )
        found.append(match or candidates[0])
    twice = [path for path, n in Counter(found).items() if n > 1]
    if twice:
        raise DatasetError(f"{counted(len(twice), 'image')} annotated twice, such as {printable(twice[0])}; remove one")
    root = os.path.commonpath([path.parent for path in found])
    names = [path.relative_to(root).as_posix() for path in found]
    stems = Counter(name[: -len(Path(name).suffix)] for name in names)
    if same := [stem for stem, n in stems.items() if n > 1]:
        raise DatasetError(f"two images of the name '{printable(same[0])}'; rename one")
    return list(zip(found, names, strict=True)), len(set(files) - set(found))


def _write(
    read: Annotations,
    ids: Mapping[str, int],
    base: int | Path,
    output: Path,
    item: tuple[AnnotatedFrame, tuple[Path, str]],
) -> Size:
    """Write one frame and its label map -> its size."""
    frame, (image, name) = item
    size = image_size(image)
    if frame.size not in (None, size):
        turned = "; its EXIF turns it" if frame.size == size[::-1] else ""
        raise DatasetError(
            f"{printable(frame.source)}: annotated at {_text(frame.size)}, but {printable(image)} is {_text(size)} "
            f"(H x W){turned}; give --images the frames that were annotated"
        )
    label_name = f"{name[: -len(image.suffix)]}.png"
    below = _label_map_below(base / label_name, size, len(ids)) if isinstance(base, Path) else base
    label_map = read.draw(frame, ids, size, below)
    if label_map.shape != size:
        raise DatasetError(
            f"{printable(frame.colors)}: {_text(label_map.shape)}, but its image is {_text(size)} (H x W)"
        )
    target = output / "images" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(image, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(image, target)
    write_label_png(output / "labels" / label_name, np.ascontiguousarray(label_map))
    return size


def _label_map_below(path: Path, size: Size, classes: int) -> np.ndarray:
    """Read a label map to draw on -> (H, W) uint8."""
    if not path.is_file():
        raise DatasetError(f"{printable(path)}: no such label map; --over DIR has a PNG of each annotated frame's name")
    label_map = read_label_map(path)
    if label_map.shape != size:
        raise DatasetError(f"{printable(path)}: {_text(label_map.shape)}, but its image is {_text(size)} (H x W)")
    values = label_map[label_map != IGNORE_INDEX]
    if values.size and values.max() >= classes:
        raise DatasetError(
            f"{printable(path)}: the value {values.max()}, but --classes names {classes}, of the values "
            f"0 to {classes - 1} (255 is ignored)"
        )
    return label_map


def _text(size: Any) -> str:
    return f"{size[0]}x{size[1]}"
