"""Label maps -> polygons for correction by hand, in the files of COCO, CVAT or labelme.

Regions are written whole, the larger ones first, so that a later one covers what it is a hole of; the
readers of this package draw them so too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np

from segibn.files.writing import write_bytes, write_text


@dataclass(frozen=True)
class Region:
    """A connected region without its holes, as a polygon."""

    label: str
    points: np.ndarray  # (n, 2) x, y in pixels


@dataclass(frozen=True)
class LabelledFrame:
    """A frame's regions, the largest first."""

    image: str  # its file name
    size: tuple[int, int]  # (H, W)
    regions: Sequence[Region]


def regions_of(
    train_ids: np.ndarray,
    class_names: Sequence[str],
    *,
    tolerance: float = 1.0,
    smallest: int = 64,
    corners: bool = False,
) -> list[Region]:
    """Trace a label map (H, W) uint8 -> its regions, the largest first.

    ``tolerance``: pixels that an outline may be off, by the Douglas-Peucker rule; regions of fewer
    pixels than ``smallest`` are left to what is around them. ``corners``: whether polygons pass along the
    edges of pixels, as COCO's do, or through their middles. Values from K on are left out.
    """
    found: list[tuple[float, int, Region]] = []
    scale = 2 if corners else 1
    for index in np.unique(train_ids).tolist():
        if index >= len(class_names):
            continue
        mask = (train_ids == index).view(np.uint8)
        if corners:
            mask = mask.repeat(scale, 0).repeat(scale, 1)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            left, top, width, height = cv2.boundingRect(outline)
            if width * height < smallest * scale**2:  # no larger than its box
                continue
            filled = cv2.drawContours(np.zeros((height, width), np.uint8), [outline - (left, top)], 0, 1, cv2.FILLED)
            area = int(filled.sum()) / scale**2
            simple = cv2.approxPolyDP(outline, tolerance * scale, closed=True)[:, 0].astype(np.float64)
            if area < smallest or len(simple) < 3:
                continue
            points = (simple + 0.5) / scale if corners else simple
            found.append((-area, len(found), Region(class_names[index], points)))
    return [region for _, _, region in sorted(found, key=lambda one: one[:2])]


def write_labelme(frames: Sequence[LabelledFrame], class_names: Sequence[str], output: Path) -> list[Path]:
    """Write one JSON file for each frame."""
    paths = []
    for frame in frames:
        shapes = [
            {
                "label": region.label,
                "points": region.points.round(2).tolist(),
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for region in frame.regions
        ]
        content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": frame.image, "imageData": None}
        content |= {"imageHeight": frame.size[0], "imageWidth": frame.size[1]}
        path = output / Path(frame.image).with_suffix(".json")
        write_text(path, json.dumps(content, indent=1))
        paths.append(path)
    return paths


def write_coco(frames: Sequence[LabelledFrame], class_names: Sequence[str], output: Path) -> list[Path]:
    """Write one ``annotations.json`` of instances."""
    categories = {name: number for number, name in enumerate(class_names, start=1)}
    annotations: list[dict[str, Any]] = []
    images = []
    for number, frame in enumerate(frames, start=1):
        images.append({"id": number, "file_name": frame.image, "height": frame.size[0], "width": frame.size[1]})
        for region in frame.regions:
            low, high = region.points.min(0), region.points.max(0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": categories[region.label],
                    "segmentation": [region.points.round(2).ravel().tolist()],
                    "bbox": [*low.round(2).tolist(), *(high - low).round(2).tolist()],
                    "area": round(float(cv2.contourArea(region.points.astype(np.float32))), 2),
                    "iscrowd": 0,
                }
            )
    rows = [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()]
    path = output / "annotations.json"
    write_text(path, json.dumps({"images": images, "annotations": annotations, "categories": rows}))
    return [path]


def write_cvat(frames: Sequence[LabelledFrame], class_names: Sequence[str], output: Path) -> list[Path]:
    """Write one ``annotations.xml`` of CVAT for images 1.1; z_order is the order of drawing."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "job"), "labels")
    for name in class_names:
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = name
    for number, frame in enumerate(frames):
        height, width = map(str, frame.size)
        image = ElementTree.SubElement(root, "image", id=str(number), name=frame.image, width=width, height=height)
        for order, region in enumerate(frame.regions):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in region.points.tolist())
            shown = {"label": region.label, "source": "auto", "occluded": "0", "points": points, "z_order": str(order)}
            ElementTree.SubElement(image, "polygon", shown)
    path = output / "annotations.xml"
    write_bytes(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
    return [path]


WRITERS: Mapping[str, Callable[[Sequence[LabelledFrame], Sequence[str], Path], list[Path]]] = {
    "labelme": write_labelme,
    "coco": write_coco,
    "cvat": write_cvat,
}
AT_CORNERS = ("coco", "cvat")
"""Formats whose polygons pass along the edges of pixels."""
