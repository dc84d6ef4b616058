"""COCO: one JSON of images, categories and annotations; polygons, run lengths and crowds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segibn.annotations.shapes import AnnotatedFrame, Annotations, Shape, fill_as_coco, points
from segibn.errors import DatasetError, ImageFileError
from segibn.files.rle import decode_rle
from segibn.text import counted, printable, read_small_file
from segibn.text.plain_data import parse_json

_MAX_BYTES = 1 << 30


def read(source: Path) -> Annotations:
    """Read an instances or panoptic-free stuff JSON; objects lie in the order of the file, over crowds."""
    content = parse_json(read_small_file(source, _MAX_BYTES, DatasetError), str(source), DatasetError)
    wanted = ("images", "annotations", "categories")
    lists = [content.get(key) if isinstance(content, Mapping) else None for key in wanted]
    for key, rows in zip(wanted, lists, strict=True):
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) and "id" in row for row in rows):
            raise DatasetError(f"{printable(source)}: no COCO file: `{key}` is no list of objects with an `id`")
    images, annotations, categories = (list[Mapping[str, Any]](rows or ()) for rows in lists)
    names = {row["id"]: str(row.get("name")) for row in sorted(categories, key=lambda row: str(row["id"]).zfill(20))}
    by_image: dict[Any, list[Shape]] = defaultdict(list)
    sizes = {row["id"]: (row.get("height"), row.get("width")) for row in images}
    boxes = 0
    for row in annotations:
        here = f"{printable(source)}, annotation {row['id']}"
        if row.get("category_id") not in names or row.get("image_id") not in sizes:
            raise DatasetError(f"{here}: its category_id or image_id is not in the file")
        if not row.get("segmentation"):
            boxes += 1
            continue
        size = sizes[row["image_id"]]
        by_image[row["image_id"]].append(_shape(row, names[row["category_id"]], size, here))
    frames = []
    for row in images:
        shapes = sorted(by_image[row["id"]], key=lambda shape: not shape.is_ignored)
        height, width = sizes[row["id"]]
        size = (height, width) if type(height) is int and type(width) is int else None
        frames.append(AnnotatedFrame(source, str(row.get("file_name")), shapes, size))
    notes = [f"{counted(boxes, 'annotation')} left out: a box without a segmentation"] if boxes else []
    return Annotations(frames, list(dict.fromkeys(names.values())), fill_as_coco, notes=notes)


def _shape(row: Mapping[str, Any], label: str, size: Any, source: str) -> Shape:
    given, is_crowd = row["segmentation"], bool(row.get("iscrowd"))
    if isinstance(given, Mapping):
        return Shape(label, mask=_mask(given, size, source), is_ignored=is_crowd)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise DatasetError(f"{source}: `segmentation` is neither polygons nor run lengths")
    return Shape(label, tuple(points(polygon, source) for polygon in given), is_ignored=is_crowd)


def _mask(rle: Mapping[str, Any], size: Any, source: str) -> np.ndarray:
    if not all(type(n) is int and 0 < n < 1 << 16 for n in size) or size[0] * size[1] > 1 << 26:
        raise DatasetError(f"{source}: run lengths need the image's `height` and `width`")
    counts = rle.get("counts")
    if isinstance(counts, list):
        runs = np.asarray([n if type(n) is int and n >= 0 else -1 for n in counts] or [-1])
        if runs.min() < 0 or runs.sum() != size[0] * size[1] or rle.get("size") != list(size):
            raise DatasetError(f"{source}: damaged run lengths, or of another size than its image")
        return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size, order="F")
    try:
        return decode_rle(dict(rle), tuple(size))
    except ImageFileError as error:
        raise DatasetError(f"{source}: {error}") from None
