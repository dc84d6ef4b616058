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
from segibn.files.pictures import image_size
from segibn.files.pool import map_in_processes
from segibn.files.writing import write_text
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX
from segibn.runs.own_config import Size, own_config
from segibn.text import counted, listed, nfc, printable

_CHUNK = 8
_MOST_CLASSES = 200

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
    unlabelled: str = "background",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Write ``output/images``, ``output/labels`` and ``output/NAME.yaml``, or nothing.

    ``kind``: of `FORMATS`; ``images``: where the frames are, by default beside the annotations;
    ``classes``: those to keep, in this order; ``unlabelled``: what pixels of no object are,
    "background" (a class) or "ignored". DatasetError: a file is damaged, has no image, or one of
    another size; ``output`` is not empty.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DatasetError(f"{printable(output)}: is there already; name a new folder")
    read = FORMATS[kind].read(source)
    if not read.frames:
        raise DatasetError(f"{printable(source)}: no annotations of the format {kind} ({FORMATS[kind].title})")
    where = images or (source if source.is_dir() else source.parent)
    found, spare = _find_images(read.frames, where, kind)
    rows, ids = _table(kind, read, classes, unlabelled)
    notes = list(read.notes)
    if spare:
        notes.append(f"{counted(spare, 'image')} without annotations left out")
    left = Counter(s.label for f in read.frames for s in f.shapes if s.label not in ids and not s.is_ignored)
    notes += [f"{counted(n, 'object')} of '{printable(name)}' left out: not in --classes" for name, n in left.items()]
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    base = IGNORE_INDEX if unlabelled == "ignored" else ids[read.background]
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


def _table(kind: str, read: Annotations, classes: Sequence[str], unlabelled: str) -> tuple[Rows, dict[str, int]]:
    """The rows of the config's table, and the value of each class that is drawn."""
    unknown = [name for name in classes if name not in read.classes]
    if unknown:
        raise DatasetError(f"--classes {listed(unknown)}: no such class; there are {', '.join(read.classes)}")
    ignored = {"name": "ignored", "label_id": IGNORE_INDEX, "train_id": IGNORE_INDEX}
    if kind == "cityscapes" and not classes:
        known = [row for row in CITYSCAPES.labels if row.label_id >= 0]
        rows: Rows = [
            {"name": row.name, "label_id": row.label_id, "train_id": row.train_id, "color": list(row.color)}
            for row in known
        ]
        return [*rows, ignored], {row.name: row.label_id for row in known}
    names = list(classes) or list(read.classes)
    if not names or len(names) > _MOST_CLASSES:
        raise DatasetError(f"{counted(len(names), 'class', 'classes')}; 1 to {_MOST_CLASSES} can be trained")
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
    return [*rows, ignored], ids


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
    read: Annotations, ids: Mapping[str, int], base: int, output: Path, item: tuple[AnnotatedFrame, tuple[Path, str]]
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
    label_map = read.draw(frame, ids, size, base)
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
    write_label_png(output / "labels" / f"{name[: -len(image.suffix)]}.png", np.ascontiguousarray(label_map))
    return size


def _text(size: Any) -> str:
    return f"{size[0]}x{size[1]}"
