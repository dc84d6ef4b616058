"""labelme: a JSON file beside each frame, or all in a folder of their own."""

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segibn.annotations.shapes import AnnotatedFrame, Annotations, Shape, box, fill_as_pillow, png_mask, points
from segibn.errors import DatasetError
from segibn.files.folders import list_files
from segibn.text import counted, printable, read_small_file
from segibn.text.plain_data import parse_json

_MAX_BYTES = 1 << 28  # of a file, which may hold the frame itself
_CORNERS = 64  # of a circle
_IGNORED, _BACKGROUND = "__ignore__", "_background_"  # labels with a meaning


def read(source: Path) -> Annotations:
    """Read the ``*.json`` of a folder and those below it; shapes lie in the order of the file."""
    frames, left_out = [], Counter[str]()
    for path in list_files(source, (".json",), recursive=True):
        content = parse_json(read_small_file(path, _MAX_BYTES, DatasetError), str(path), DatasetError)
        if not isinstance(content, Mapping) or not isinstance(content.get("shapes"), list):
            raise DatasetError(f"{printable(path)}: no labelme file: it has no list of `shapes`")
        size = content.get("imageHeight"), content.get("imageWidth")
        shapes = [_shape(one, f"{printable(path)}, shape {n}", left_out) for n, one in enumerate(content["shapes"])]
        image = content.get("imagePath")
        frames.append(
            AnnotatedFrame(
                path,
                image if isinstance(image, str) and image else path.stem,
                [shape for shape in shapes if shape is not None],
                (size[0], size[1]) if all(type(n) is int for n in size) else None,
            )
        )
    named = {shape.label for frame in frames for shape in frame.shapes if not shape.is_ignored}
    notes = [f"{counted(n, kind)} left out: no area" for kind, n in sorted(left_out.items())]
    return Annotations(frames, sorted(named - {_BACKGROUND}), fill_as_pillow, background=_BACKGROUND, notes=notes)


def _shape(one: Any, source: str, left_out: Counter[str]) -> Shape | None:
    label = one.get("label") if isinstance(one, Mapping) else None
    if not isinstance(label, str) or not label:
        raise DatasetError(f"{source}: no `label`")
    kind, given, ignored = one.get("shape_type") or "polygon", one.get("points"), label == _IGNORED
    if kind in ("point", "points", "line", "linestrip"):
        left_out[kind] += 1
        return None
    if kind == "mask":
        left, top = points(given, source, least=2)[0].round().astype(int)
        return Shape(label, mask=_mask(one.get("mask"), source), corner=(int(left), int(top)), is_ignored=ignored)
    if kind not in ("polygon", "rectangle", "circle"):
        raise DatasetError(f"{source}: shape_type '{printable(kind)}' is not read; polygon, rectangle, circle, mask")
    corners = points(given, source, least=3 if kind == "polygon" else 2)
    if kind == "rectangle":
        low, high = corners.min(0), corners.max(0)
        corners = points(box(*low, *high), source)
    elif kind == "circle":  # its centre, and a point of it
        angles = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
        radius = np.hypot(*(corners[1] - corners[0]))
        corners = corners[0] + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return Shape(label, (corners,), is_ignored=ignored)


def _mask(text: Any, source: str) -> np.ndarray:
    try:
        return png_mask(base64.b64decode(text, validate=True), source)
    except (TypeError, ValueError):
        raise DatasetError(f"{source}: `mask` is no PNG in base64") from None
