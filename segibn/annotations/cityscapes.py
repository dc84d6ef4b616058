"""Cityscapes polygons, ``*_gtFine_polygons.json``, drawn as the official ``json2labelImg.py`` does."""

from collections.abc import Mapping
from pathlib import Path

from segibn.annotations.shapes import AnnotatedFrame, Annotations, Shape, fill_as_pillow, points
from segibn.errors import DatasetError
from segibn.files.folders import list_files
from segibn.labels.cityscapes import CITYSCAPES
from segibn.text import printable, read_small_file
from segibn.text.plain_data import parse_json

SUFFIX = "_polygons.json"
_IDS = {row.name: row.label_id for row in CITYSCAPES.labels}
_BACKGROUND = "unlabeled"


def read(source: Path) -> Annotations:
    """Read the files below a folder; objects lie in their order, groups count as their class.

    Deleted objects are left out, and so are those of a negative id (license plates).
    """
    frames = []
    for path in list_files(source, (SUFFIX,), recursive=True):
        content = parse_json(read_small_file(path, 1 << 28, DatasetError), str(path), DatasetError)
        objects = content.get("objects") if isinstance(content, Mapping) else None
        if not isinstance(objects, list) or not all(isinstance(one, Mapping) for one in objects):
            raise DatasetError(f"{printable(path)}: no list of `objects`")
        shapes = []
        for number, one in enumerate(objects):
            here, label = f"{printable(path)}, object {number}", str(one.get("label"))
            if label not in _IDS and label.endswith("group"):
                label = label.removesuffix("group")
            if one.get("deleted"):
                continue
            if label not in _IDS:
                raise DatasetError(f"{here}: '{printable(label)}' is no label of Cityscapes")
            if _IDS[label] >= 0:
                shapes.append(Shape(label, (points(one.get("polygon"), here, least=2),)))
        stem = path.relative_to(source).as_posix().removesuffix(SUFFIX)
        name = stem.removesuffix("_gtFine").removesuffix("_gtCoarse")
        size = content.get("imgHeight"), content.get("imgWidth")
        frames.append(AnnotatedFrame(path, name, shapes, size if all(type(n) is int for n in size) else None))
    classes = [row.name for row in CITYSCAPES.labels if row.label_id > 0]
    return Annotations(frames, classes, fill_as_pillow, background=_BACKGROUND)
