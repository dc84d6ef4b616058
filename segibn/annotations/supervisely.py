"""Supervisely: a project with `meta.json` and data sets of ``img/`` and ``ann/``; polygons, holes, bitmaps."""

import base64
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segibn.annotations.shapes import AnnotatedFrame, Annotations, Shape, box, fill_as_opencv, png_mask, points
from segibn.errors import DatasetError
from segibn.files.folders import list_files
from segibn.labels.label_set import Color
from segibn.text import counted, printable, read_small_file
from segibn.text.plain_data import parse_json

_MAX_BYTES = 1 << 28
_MAX_PACKED = 1 << 26


def read(source: Path) -> Annotations:
    """Read a project's folder; objects lie in the order of each file."""
    meta = _object(source / "meta.json")
    classes: list[str] = []
    colors: dict[str, Color] = {}
    for row in meta.get("classes") or ():
        classes.append(str(row.get("title")))
        text = str(row.get("color", "")).removeprefix("#")
        if len(text) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in text):
            red, green, blue = bytes.fromhex(text)
            colors[classes[-1]] = (red, green, blue)
    frames, left_out = [], Counter[str]()
    for path in list_files(source, (".json",), recursive=True):
        if path.parent.name != "ann":
            continue
        content = _object(path)
        size = content.get("size") or {}
        image = path.parent.parent.relative_to(source) / "img" / path.name.removesuffix(".json")
        objects = list(enumerate(content.get("objects") or ()))
        shapes = [_shape(one, f"{printable(path)}, object {n}", left_out) for n, one in objects]
        stated = size.get("height"), size.get("width")
        kept = [shape for shape in shapes if shape is not None]
        frames.append(AnnotatedFrame(path, image.as_posix(), kept, stated if all(map(_is_int, stated)) else None))
    notes = [f"{counted(n, kind)} left out: no area" for kind, n in sorted(left_out.items())]
    return Annotations(frames, classes, fill_as_opencv, colors, notes=notes)


def _shape(one: Any, source: str, left_out: Counter[str]) -> Shape | None:
    kind = one.get("geometryType") if isinstance(one, Mapping) else None
    label = str(one.get("classTitle")) if kind else ""
    if kind == "bitmap":
        bitmap = one.get("bitmap") or {}
        origin = points([bitmap.get("origin")], source, least=1)[0]
        return Shape(label, mask=_bitmap(bitmap.get("data"), source), corner=(int(origin[0]), int(origin[1])))
    if kind not in ("polygon", "rectangle"):
        left_out[printable(kind)] += 1
        return None
    given = one.get("points") or {}
    exterior = points(given.get("exterior"), source, least=2)
    if kind == "rectangle":
        exterior = points(box(*exterior.min(0), *exterior.max(0)), source)
    holes = tuple(points(hole, source) for hole in given.get("interior") or ())
    return Shape(label, (exterior,), holes)


def _bitmap(text: Any, source: str) -> np.ndarray:
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MAX_PACKED)
    except (TypeError, ValueError, zlib.error):
        raise DatasetError(f"{source}: `bitmap.data` is not packed by zlib in base64") from None
    return png_mask(data, source)


def _object(path: Path) -> Mapping[str, Any]:
    content = parse_json(read_small_file(path, _MAX_BYTES, DatasetError), str(path), DatasetError)
    if not isinstance(content, Mapping):
        raise DatasetError(f"{printable(path)}: holds no object")
    return content


def _is_int(value: Any) -> bool:
    return type(value) is int
