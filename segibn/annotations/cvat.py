"""CVAT: its XML for images (1.1), and the export "Segmentation mask" with its `labelmap.txt`."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from segibn.annotations.shapes import AnnotatedFrame, Annotations, Shape, box, fill_as_coco, points
from segibn.errors import DatasetError
from segibn.files.folders import list_files
from segibn.labels.label_set import Color
from segibn.text import counted, printable, read_small_file, read_small_text

_MAX_BYTES = 1 << 29
_AREAS = ("polygon", "box", "mask")
_WITHOUT_AREA = ("polyline", "points", "skeleton", "cuboid", "ellipse", "tag")


def read(source: Path) -> Annotations:
    """Read ``annotations.xml``; objects lie by their z_order, then in the order of the file."""
    path = source / "annotations.xml" if source.is_dir() else source
    data = read_small_file(path, _MAX_BYTES, DatasetError)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # which CVAT never writes
        raise DatasetError(f"{printable(path)}: declares entities; no file of CVAT does")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DatasetError(f"{printable(path)}: not valid XML, or cut short ({error})") from None
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        fix = "export it as 'CVAT for images 1.1'" if root.find("track") is not None else "is it CVAT's?"
        raise DatasetError(f"{printable(path)}: no <image> in it; {fix}")
    labels = root.findall("meta//labels/label")
    classes = [label.findtext("name", "") for label in labels]
    colors = {label.findtext("name", ""): _hex_color(label.findtext("color", "")) for label in labels}
    left_out, frames = Counter[str](), []
    for image in images:
        here = f"{printable(path)}, image {printable(image.get('name', ''))}"
        shapes = sorted(
            (one for one in image if one.tag in _AREAS), key=lambda one: int(_number(one, "z_order", here, "0"))
        )
        left_out.update(one.tag for one in image if one.tag in _WITHOUT_AREA)
        size = int(_number(image, "height", here)), int(_number(image, "width", here))
        frames.append(AnnotatedFrame(path, image.get("name", ""), [_shape(one, here) for one in shapes], size))
    used = dict.fromkeys(shape.label for frame in frames for shape in frame.shapes)
    notes = [f"{counted(n, kind, kind)} left out: not read as an area" for kind, n in sorted(left_out.items())]
    known = {name: color for name, color in colors.items() if color is not None}
    return Annotations(frames, list(dict.fromkeys([*classes, *used])), fill_as_coco, known, notes=notes)


def read_masks(source: Path) -> Annotations:
    """Read ``labelmap.txt`` and the pictures of ``SegmentationClass/``, each class in its colour."""
    table = source / "labelmap.txt"
    colors: dict[str, Color] = {}
    for number, line in enumerate(read_small_text(table, 1 << 20, DatasetError).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        parts = rest.split(":")[0].split(",")
        if not name or len(parts) != 3 or not all(p.strip().isdigit() and int(p) < 256 for p in parts):
            raise DatasetError(f"{printable(table)}, line {number}: not 'label:R,G,B:parts:actions'")
        colors[name.strip()] = (int(parts[0]), int(parts[1]), int(parts[2]))
    folder = source / "SegmentationClass"
    files = list_files(folder, (".png",), recursive=True)
    frames = [
        AnnotatedFrame(p, f"JPEGImages/{p.relative_to(folder).with_suffix('').as_posix()}", colors=p) for p in files
    ]
    classes = [name for name in colors if name != "background"]
    return Annotations(frames, classes, fill_as_coco, colors)


def _shape(one: ElementTree.Element, source: str) -> Shape:
    label = one.get("label", "")
    if one.tag == "mask":
        return Shape(
            label, mask=_mask(one, source), corner=tuple(int(_number(one, k, source)) for k in ("left", "top"))
        )
    if one.tag == "box":
        given = box(*(_number(one, key, source) for key in ("xtl", "ytl", "xbr", "ybr")))
        return Shape(label, (points(given, source),))
    pairs = [pair.split(",") for pair in one.get("points", "").split(";")]
    return Shape(label, (points(pairs, source),))


def _mask(one: ElementTree.Element, source: str) -> np.ndarray:
    """Run lengths along the rows of the mask's own rectangle, zeros first."""
    height, width = (int(_number(one, key, source)) for key in ("height", "width"))
    runs = [int(text) if text.strip().isdigit() else -1 for text in one.get("rle", "").split(",")]
    if min(runs) < 0 or not 0 < height * width <= 1 << 26 or sum(runs) != height * width:
        raise DatasetError(f"{source}: damaged run lengths of a mask")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)


def _number(one: ElementTree.Element, key: str, source: str, default: str = "") -> float:
    try:
        return float(one.get(key, default))
    except ValueError:
        raise DatasetError(f"{source}: <{one.tag}> without a number `{key}`") from None


def _hex_color(text: str) -> Color | None:
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue
