#!/usr/bin/env python
"""From files to files: prediction that reads and writes in threads against one step after another.

Both sides read the same frames with the same decoder, ask the same network and write the same
label maps and overlays, each flushed to the disk. The plain loop reads a frame, predicts it and
writes it, then takes the next. A network that leaves cores or a device idle gains most; where it
keeps all of them busy there is nothing to gain. That the label maps are equal is checked too.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch

from benchmarks.inference import network
from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.files.encode import write_image
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, label_maps
from segibn.media.faults import Faults, read_upright
from segibn.media.journal import Journal
from segibn.media.outputs import Outputs
from segibn.media.predicting import Work
from segibn.media.sources import find_sources

OURS, PLAIN = "segibn predict", "read, predict, write in turn"
Size = tuple[int, int]


@cache
def predictor(backbone: str, output_stride: int, seen: Size, device: str) -> Predictor:
    """The network of ``inference.py``, shown frames at a size."""
    model = network(backbone, output_stride, device)
    return Predictor(model, device, InferenceOptions(input_size=seen))


def paint(folder: Path, count: int, size: Size) -> None:
    """Write JPEGs of smooth random colours with some noise."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = random.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        frame = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.int16)
        frame += random.integers(-12, 13, frame.shape, dtype=np.int16)
        write_image(folder / f"{number:03d}.jpg", frame.clip(0, 255).astype(np.uint8))


def outputs_in(folder: Path, classes: int = 19) -> Outputs:
    """Label maps and overlays in the colours of a random palette."""
    palette = np.random.default_rng(1).integers(1, 256, (classes, 3), dtype=np.uint8)
    return Outputs(folder, palette, np.ones(classes, bool))


def make_ours(frames: Path, output: Path, **settings: object) -> Call:
    """Return a call that predicts the folder as the command does."""
    predict = predictor(**settings)  # type: ignore[arg-type]

    def call() -> None:
        outputs = outputs_in(output)
        with Journal(output, {}, "overwrite") as journal:
            maps_of = partial(label_maps, predict)
            work = Work(maps_of, 1, outputs, journal, Faults(strict=True))
            work.run(find_sources([frames]).sources)

    return call


def make_plain(frames: Path, output: Path, **settings: object) -> Call:
    """Return a call that predicts the folder in a loop of three lines."""
    predict = predictor(**settings)  # type: ignore[arg-type]

    def call() -> None:
        outputs = outputs_in(output)
        for path in sorted(frames.iterdir()):
            image = read_upright(path)
            outputs.write_frame(path.stem, image, predict(image), ("labels", "overlay"))

    return call


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time prediction from files to files.", pairs=9)
    parser.add_argument("--frames", type=int, default=12, help="default 12")
    parser.add_argument("--backbone", default="resnet18", help="default resnet18")
    parser.add_argument("--output-stride", type=int, default=32, help="default 32")
    parser.add_argument("--input-heights", type=int, nargs="+", default=[128, 256], metavar="H")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args(argv)
    count, size = (3, (36, 64)) if options.quick else (options.frames, (720, 1280))
    heights = [32] if options.quick else options.input_heights
    folder = Path(tempfile.mkdtemp(prefix="predict_files_"))
    try:
        paint(folder / "frames", count, size)
        builders, comparisons = {}, []
        for height in heights:
            settings = {
                "backbone": options.backbone,
                "output_stride": options.output_stride,
                "seen": (height, 2 * height),
                "device": options.device,
            }
            pair = tuple(f"{name}, seen at {height}x{2 * height}" for name in (OURS, PLAIN))
            for name, make in zip(pair, (make_ours, make_plain), strict=True):
                output = folder / make.__name__ / str(height)
                builders[name] = partial(make, folder / "frames", output, **settings)
            comparisons.append(pair)
        benchmark = Benchmark(
            title="Prediction from files to files",
            builders=builders,
            comparisons=comparisons,
            conditions=f"a frame of {count} JPEGs of {size[0]}x{size[1]}, {options.backbone} "
            f"DeepLabV3+ at output stride {options.output_stride}, float32, batch 1, label map "
            "and overlay written",
            device=options.device,
            pieces=count,
        )
        run(benchmark, options)
        for path in (folder / "make_ours").glob("*/labels/*"):
            other = folder / "make_plain" / path.relative_to(folder / "make_ours")
            if path.read_bytes() != other.read_bytes():
                raise SystemExit(f"{path.name}: the two ways give different label maps")
    finally:
        shutil.rmtree(folder)
    print(f"torch computes with {torch.get_num_threads()} threads")
    return 0


if __name__ == "__main__":
    sys.exit(main())
