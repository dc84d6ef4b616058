"""YOLO polygons, as Roboflow and Ultralytics write them: a text file for each frame, and `data.yaml`."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from segibn.annotations.shapes import AnnotatedFrame, Annotations, Shape, fill_as_coco, points
from segibn.errors import DatasetError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.folders import list_files
from segibn.files.pictures import image_size
from segibn.text import printable, read_small_text

_MAX_BYTES = 1 << 26


def read(source: Path) -> Annotations:
    """Read a folder with ``data.yaml``; ``images/a.jpg`` goes with ``labels/a.txt``, nothing with no file.

    Lines are a class and x and y in turn, in shares of width and height.
    """
    table = next((path for path in (source / "data.yaml", source / "dataset.yaml") if path.is_file()), None)
    try:  # their keys may be numbers, which our own files have not
        content = yaml.safe_load(read_small_text(table, 1 << 20, DatasetError)) if table else None
    except yaml.YAMLError as error:
        raise DatasetError(f"{printable(table)}: not valid YAML ({printable(error)})") from None
    names = content.get("names") if isinstance(content, Mapping) else None
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=lambda key: str(key).zfill(6))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        raise DatasetError(f"{printable(source)}: no data.yaml with a list of `names` in it")
    classes = [str(name) for name in names]
    frames = []
    for image in list_files(source, IMAGE_SUFFIXES, recursive=True):
        below = image.relative_to(source).with_suffix("")
        if "images" not in below.parts:
            continue
        place = max(n for n, part in enumerate(below.parts) if part == "images")
        text = source.joinpath(*below.parts[:place], "labels", *below.parts[place + 1 :]).with_suffix(".txt")
        text = text.with_name(f"{image.stem}.txt")  # a name may have dots
        shapes = _shapes(text, classes, image_size(image)) if text.is_file() else []
        frames.append(AnnotatedFrame(text, image.relative_to(source).as_posix(), shapes))
    return Annotations(frames, classes, fill_as_coco)


def _shapes(path: Path, classes: list[str], size: tuple[int, int]) -> list[Shape]:
    shapes = []
    for number, line in enumerate(read_small_text(path, _MAX_BYTES, DatasetError).splitlines(), start=1):
        here, words = f"{printable(path)}, line {number}", line.split()
        if not words:
            continue
        if not words[0].isdigit() or int(words[0]) >= len(classes):
            raise DatasetError(f"{here}: class '{printable(words[0])}' is not one of the {len(classes)} of data.yaml")
        if len(words) == 5:
            raise DatasetError(f"{here}: a box, not a polygon: these are labels for detection, without masks")
        corners = points(words[1:], here) * (size[1], size[0])
        shapes.append(Shape(classes[int(words[0])], (corners,)))
    return shapes
