#!/usr/bin/env python
"""Annotations read beside what their libraries do alone, and `segibn init` beside decoding the same files.

COCO polygons become label maps: ours parses the file, draws every object and keeps the order; the other side is
`pycocotools` rasterising the same polygons, each into a mask that is laid over the map. `init` tells what a folder's
labels are; the other side decodes every label map and counts its values by NumPy, and reads the frames' headers.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.annotations.coco import read
from segibn.files.encode import write_image, write_label_png
from segibn.runs.own_folder import describe_folder

SIZE = (480, 640)


def write_coco(path: Path, count: int) -> Path:
    """Polygons of 8 corners, twenty a frame."""
    random = np.random.default_rng(0)
    images = [{"id": n, "file_name": f"{n}.jpg", "height": SIZE[0], "width": SIZE[1]} for n in range(-(-count // 20))]
    annotations = []
    for n in range(count):
        angles = np.sort(random.uniform(0, 2 * np.pi, 8))
        center, radius = random.uniform((60, 60), (580, 420)), random.uniform(10, 120, 8)
        points = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        row = {"id": n, "image_id": n // 20, "category_id": 1 + n % 8, "iscrowd": 0}
        annotations.append({**row, "segmentation": [points.round(2).ravel().tolist()]})
    categories = [{"id": n, "name": f"class {n}"} for n in range(1, 9)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def ours_coco(path: Path) -> Call:
    """The file to label maps."""
    ids = {"background": 0, **{f"class {n}": n for n in range(1, 9)}}

    def work() -> None:
        found = read(path)
        for frame in found.frames:
            found.draw(frame, ids, SIZE)

    return work


def theirs_coco(path: Path) -> Call:
    """The same polygons by pycocotools, parsed beforehand."""
    from pycocotools import mask

    rows = json.loads(path.read_text())["annotations"]

    def work() -> None:
        label_map = np.zeros(SIZE, np.uint8)
        for row in rows:
            inside = mask.decode(mask.merge(mask.frPyObjects(row["segmentation"], *SIZE)))
            label_map[inside == 1] = row["category_id"]

    return work


def write_folder(folder: Path, count: int) -> Path:
    """Small frames with label maps, each a copy of one of eight."""
    random = np.random.default_rng(0)
    for n in range(count):
        if n < 8:
            image = random.integers(0, 255, (90, 160, 3), np.uint8).repeat(2, 0).repeat(2, 1)
            write_image(folder / f"images/{n:05}.jpg", image)
            write_label_png(folder / f"labels/{n:05}.png", random.integers(0, 8, (180, 320), np.uint8))
        else:
            for place, end in (("images", "jpg"), ("labels", "png")):
                (folder / f"{place}/{n:05}.{end}").write_bytes((folder / f"{place}/{n % 8:05}.{end}").read_bytes())
    return folder


def ours_init(folder: Path) -> Call:
    """What `segibn init` does before it writes, in this process."""
    return lambda: describe_folder(folder / "images", folder / "labels", "own")


def theirs_init(folder: Path) -> Call:
    """Every label map's values by Pillow and NumPy, every frame's size."""

    def work() -> None:
        for path in sorted((folder / "labels").iterdir()):
            np.unique(np.asarray(Image.open(path)), return_counts=True)
        for path in sorted((folder / "images").iterdir()):
            assert Image.open(path).size

    return work


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time annotations becoming label maps, and a folder looked at.", pairs=3)
    parser.add_argument("--polygons", type=int, default=10_000, metavar="N")
    parser.add_argument("--frames", type=int, default=10_000, metavar="N")
    options = parser.parse_args(argv)
    polygons, frames = (200, 40) if options.quick else (options.polygons, options.frames)
    with tempfile.TemporaryDirectory() as text:
        file, folder = write_coco(Path(text) / "coco.json", polygons), write_folder(Path(text), frames)
        builders = {
            "segibn import coco": partial(ours_coco, file),
            "pycocotools alone": partial(theirs_coco, file),
            "segibn init": partial(ours_init, folder),
            "Pillow and NumPy": partial(theirs_init, folder),
        }
        benchmark = Benchmark(
            title="Annotations to label maps, and a folder looked at",
            builders=builders,
            comparisons=[("segibn import coco", "pycocotools alone"), ("segibn init", "Pillow and NumPy")],
            conditions=f"{polygons:,} polygons on frames of 480x640; {frames:,} frames of 180x320; one process",
            packages=("pycocotools", "pillow"),
        )
        run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
