"""The formats of annotation tools that are read, by the names that the command line has for them."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from segibn.files.folders import list_files

if TYPE_CHECKING:
    from segibn.annotations.shapes import Annotations

_LOOKED_AT = 1 << 16  # bytes at the start of a file, where its kind shows


class Format(NamedTuple):
    """One format, and its reader in this package: ``module:function``."""

    title: str
    reader: str

    def read(self, source: Path) -> "Annotations":
        """Read a folder or file; DatasetError names what is wrong in it."""
        module, _, function = self.reader.partition(":")
        read: Callable[[Path], Annotations] = getattr(import_module(f"segibn.annotations.{module}"), function)
        return read(source)


WRITTEN = ("labelme", "coco", "cvat")
"""Those that label maps are written in, too."""
FORMATS: Mapping[str, Format] = {
    "labelme": Format("labelme: a folder of JSON files", "labelme:read"),
    "coco": Format("COCO: one JSON file", "coco:read"),
    "cvat": Format("CVAT for images 1.1: annotations.xml", "cvat:read"),
    "cvat-masks": Format("CVAT's Segmentation mask: labelmap.txt and SegmentationClass/", "cvat:read_masks"),
    "yolo": Format("YOLO or Roboflow polygons: data.yaml, images/ and labels/", "yolo:read"),
    "cityscapes": Format("Cityscapes polygons: *_polygons.json", "cityscapes:read"),
    "supervisely": Format("Supervisely: meta.json and ann/", "supervisely:read"),
}


def detect(folder: Path) -> tuple[str, Path] | None:
    """Return the format that a folder's files look like, and what its reader takes; None = none of them."""
    if folder.is_file():
        return _of_file(folder)
    for name, sign in (("cvat-masks", "labelmap.txt"), ("supervisely", "meta.json"), ("cvat", "annotations.xml")):
        if (folder / sign).is_file():
            return name, folder
    if any((folder / name).is_file() for name in ("data.yaml", "dataset.yaml")):
        return "yolo", folder
    files = list_files(folder, (".json",), recursive=True)
    if any(path.name.endswith("_polygons.json") for path in files):
        return "cityscapes", folder
    kinds = {found[0] for path in files[:8] if (found := _of_file(path))}
    if kinds == {"labelme"}:
        return "labelme", folder
    return ("coco", files[0]) if kinds == {"coco"} and len(files) == 1 else None


def _of_file(path: Path) -> tuple[str, Path] | None:
    if path.suffix == ".xml":
        return "cvat", path
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if b'"shapes"' in start or b'"imagePath"' in start:
        return "labelme", path.parent
    is_coco = any(b'"%s"' % key in start for key in (b"images", b"annotations", b"categories"))
    return ("coco", path) if is_coco and path.suffix == ".json" else None
