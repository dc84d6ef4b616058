"""What a tool's annotations of one frame hold, and how they become a label map.

Coordinates are (x, y) in pixels from the frame's upper left corner; masks are (H, W) bool.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from segibn.errors import DatasetError
from segibn.extras import require
from segibn.labels.label_set import IGNORE_INDEX, Color
from segibn.text import printable

Points = np.ndarray  # (n, 2) float64
Fill = Callable[[Sequence[Points], tuple[int, int]], np.ndarray]
"""Polygons of one object, and a size (H, W) -> where the object is."""

_MAX_PIXELS = 1 << 26
_FARTHEST = 1e6  # pixels from the corner; no frame is as large


@dataclass(frozen=True)
class Shape:
    """One object or region; a shape covers those before it."""

    label: str
    polygons: tuple[Points, ...] = ()
    holes: tuple[Points, ...] = ()
    mask: np.ndarray | None = None
    """Of a part of the frame, or of all of it."""
    corner: tuple[int, int] = (0, 0)  # (x, y) of the mask's upper left pixel in the frame
    is_ignored: bool = False  # a crowd, or a region that says nothing


@dataclass(frozen=True)
class AnnotatedFrame:
    """One frame's annotations."""

    source: Path  # the file that they stand in, for messages
    image: str  # name of the frame as the file gives it, with folders and ending or without
    shapes: Sequence[Shape] = ()
    size: tuple[int, int] | None = None  # (H, W) that the file states
    colors: Path | None = None  # a picture in place of shapes: each class in its colour


@dataclass(frozen=True)
class Annotations:
    """What one export of an annotation tool holds."""

    frames: Sequence[AnnotatedFrame]
    classes: Sequence[str]
    """In the order of the tool where it has one; the background is none of them."""
    fill: Fill
    colors: Mapping[str, Color] = field(default_factory=dict)  # of classes that the tool colours
    background: str = "background"
    """What pixels of no shape are, the first class; a tool's own name of it."""
    notes: Sequence[str] = ()  # what was left out

    def draw(
        self, frame: AnnotatedFrame, ids: Mapping[str, int], size: tuple[int, int], base: int | np.ndarray = 0
    ) -> np.ndarray:
        """Draw a frame's shapes -> (H, W) uint8 of ``ids``, ``base`` (a value, or (H, W)) where there is none."""
        if frame.colors is not None:
            return _ids_of_colors(frame.colors, self.colors, ids)
        label_map = np.full(size, base, np.uint8)
        for shape in frame.shapes:
            value = IGNORE_INDEX if shape.is_ignored else ids.get(shape.label)
            if value is None:  # a class that was not asked for
                continue
            if shape.mask is not None:
                _paste(label_map, shape.mask, shape.corner, value)
            if shape.polygons:
                inside = self.fill(shape.polygons, size)
                if shape.holes:
                    inside = inside & ~self.fill(shape.holes, size)
                label_map[inside] = value
        return label_map


def points(values: Any, source: str, least: int = 3) -> Points:
    """Check a list of pairs, or of x and y in turn -> (n, 2); DatasetError: it is none."""
    try:
        found = np.asarray(values, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise DatasetError(f"{source}: points that are not pairs of numbers") from None
    if len(found) < least:
        raise DatasetError(f"{source}: {len(found)} points; a region has {least} or more")
    if not (np.abs(found) < _FARTHEST).all():
        raise DatasetError(f"{source}: a coordinate that lies in no frame ({found.flat[np.abs(found).argmax()]:g})")
    return found


def png_mask(data: bytes, source: str) -> np.ndarray:
    """Decode an object's PNG -> where it is not transparent or, without alpha, not black."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError("more than 64 million pixels")
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            return (
                np.asarray(image.convert("RGBA"))[..., 3 if has_alpha else slice(3)]
                .reshape(image.height, image.width, -1)
                .any(2)
            )
    except (ValueError, OSError, SyntaxError) as error:
        raise DatasetError(f"{source}: a mask that is no PNG ({printable(error)})") from None


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """Return the corners of a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def fill_as_pillow(polygons: Sequence[Points], size: tuple[int, int]) -> np.ndarray:
    """Fill with the outline, as labelme and the Cityscapes scripts do by `ImageDraw.polygon`."""
    image = Image.new("L", size[::-1])
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        draw.polygon([tuple(point) for point in polygon.tolist()], outline=1, fill=1)
    return np.asarray(image) > 0


def fill_as_coco(polygons: Sequence[Points], size: tuple[int, int]) -> np.ndarray:
    """Fill as the COCO API and CVAT's exports do, by `pycocotools`; the union of the polygons."""
    require("import", "pycocotools", purpose="these polygons")
    from pycocotools import mask as coco

    runs = coco.merge(coco.frPyObjects([polygon.ravel().tolist() for polygon in polygons], *size))
    return coco.decode(runs).view(bool)


def fill_as_opencv(polygons: Sequence[Points], size: tuple[int, int]) -> np.ndarray:
    """Fill with the outline, corners at whole pixels, as Supervisely's SDK does by `cv2.fillPoly`."""
    inside = np.zeros(size, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(inside, [np.rint(polygon).astype(np.int32)], 1)
    return inside.view(bool)


def _paste(label_map: np.ndarray, mask: np.ndarray, corner: tuple[int, int], value: int) -> None:
    """Set ``value`` where a mask is, as far as it lies in the frame."""
    left, top = corner
    y, x = max(0, -top), max(0, -left)
    part = label_map[max(0, top) : max(0, top + len(mask)), max(0, left) : max(0, left + mask.shape[1])]
    part[mask[y : y + part.shape[0], x : x + part.shape[1]]] = value


def _ids_of_colors(path: Path, colors: Mapping[str, Color], ids: Mapping[str, int]) -> np.ndarray:
    from segibn.files.pictures import read_image

    image = read_image(path).astype(np.uint32)
    codes = (image[..., 0] << 16) | (image[..., 1] << 8) | image[..., 2]
    label_map = np.full(codes.shape, IGNORE_INDEX, np.uint8)
    known = np.zeros(codes.shape, bool)
    for name, (red, green, blue) in colors.items():
        here = codes == (red << 16 | green << 8 | blue)
        label_map[here] = ids.get(name, IGNORE_INDEX)
        known |= here
    if not known.all():
        row, column = np.argwhere(~known)[0]
        color = tuple(image[row, column].tolist())
        raise DatasetError(
            f"{printable(path)}: colour {color} at row {row}, column {column} is of no class of the table"
        )
    return label_map
