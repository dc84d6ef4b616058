#!/usr/bin/env python
"""One training sample from disk: decode, labels to classes, scale, crop, flip, colour jitter.

Ours cuts the window out first and resizes that; the others resize the whole frame and then crop,
as their documentation shows it. All stop at uint8 tensors of the crop size: normalising is left
out everywhere. One thread, as in a worker of a loader.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks a server for its version

import albumentations as A
import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.data.dataset import SegmentationDataset
from segibn.data.samples import SamplePaths
from segibn.data.transforms import IGNORE_INDEX, PAD_COLOR, TrainTransform
from segibn.labels.cityscapes import CITYSCAPES

SCALE_RANGE = (0.5, 2.0)
JITTER = (0.4, 0.4, 0.4, 0.1)
JITTER_PROBABILITY = 0.5
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """What is measured: the sample on disk, (H, W) of the frame and (H, W) of the crop."""

    sample: SamplePaths
    size: tuple[int, int]
    crop: tuple[int, int]


def write_sample(folder: Path, size: tuple[int, int], seed: int = 0) -> SamplePaths:
    """Write a frame and its label map as PNG.

    The frame is smooth colour with a camera's grain, which makes it compress to about one byte a
    pixel, as street frames do; the labels are smooth regions with the 34 values of Cityscapes.

    Args:
        folder: where to.
        size: (H, W), each at least 64.
        seed: of the picture.
    """
    rng = np.random.default_rng(seed)
    image = 90 + 25 * _smooth(rng, size, 8) + 6 * _smooth(rng, size, 32)
    image += rng.normal(scale=0.8, size=(*size, 1))
    field = _smooth(rng, size, 12)[..., 0]
    label_map = np.clip(np.round(16 + 8 * field), 0, 33)
    paths = SamplePaths("frame", folder / "frame.png", folder / "labels.png")
    # Pillow packs as tightly as most data sets were packed; OpenCV trades size for speed.
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(paths.image)
    Image.fromarray(label_map.astype(np.uint8)).save(paths.target)
    return paths


def _smooth(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """(H, W, 3) float: random values on a grid of ``cells`` x twice as many, drawn out smoothly."""
    grid = rng.normal(size=(cells, 2 * cells, 3))
    return cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def ours(task: Task) -> Call:
    """The data set class that a training run uses; every call is the next position of the run."""
    transform = TrainTransform(
        task.crop,
        SCALE_RANGE,
        color_jitter=JITTER,
        color_jitter_probability=JITTER_PROBABILITY,
    )
    dataset = SegmentationDataset([task.sample], CITYSCAPES, transform)
    position = 0

    def draw() -> Pair:
        nonlocal position
        position += 1
        drawn = dataset[position, 0]
        return drawn["image"], drawn["target"]

    transform(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8), 0)
    return draw


def torchvision_v2(task: Task) -> Call:
    """The steps of torchvision's segmentation reference in its v2 form, plus the jitter."""
    table = _lookup()
    fill = {tv_tensors.Image: list(PAD_COLOR), tv_tensors.Mask: IGNORE_INDEX}
    low, high = (round(min(task.size) * scale) for scale in SCALE_RANGE)
    transform = v2.Compose(
        [
            v2.RandomResize(low, high + 1),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomCrop(task.crop, pad_if_needed=True, fill=fill),
            v2.RandomApply([v2.ColorJitter(*JITTER)], JITTER_PROBABILITY),
        ]
    )

    def draw() -> Pair:
        with Image.open(task.sample.image) as picture, Image.open(task.sample.target) as labels:
            image = tv_tensors.Image(v2.functional.pil_to_tensor(picture.convert("RGB")))
            target = tv_tensors.Mask(torch.from_numpy(table[np.asarray(labels)]))
        return transform(image, target)

    return draw


def albumentations_full_frame(task: Task) -> Call:
    """The plain recipe with OpenCV and albumentations: scale the frame, pad, crop, flip, jitter."""
    table = _lookup()
    height, width = task.crop
    transform = A.Compose(
        [
            A.RandomScale((SCALE_RANGE[0] - 1, SCALE_RANGE[1] - 1), p=1.0),
            A.PadIfNeeded(
                height,
                width,
                border_mode=cv2.BORDER_CONSTANT,
                fill=PAD_COLOR,
                fill_mask=IGNORE_INDEX,
            ),
            A.RandomCrop(height, width),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(*JITTER, p=JITTER_PROBABILITY),
        ]
    )

    def draw() -> Pair:
        image = cv2.cvtColor(cv2.imread(str(task.sample.image)), cv2.COLOR_BGR2RGB)
        labels = cv2.imread(str(task.sample.target), cv2.IMREAD_UNCHANGED)
        drawn = transform(image=image, mask=table[labels])
        pixels = torch.from_numpy(np.ascontiguousarray(drawn["image"]))
        return pixels.permute(2, 0, 1), torch.from_numpy(np.ascontiguousarray(drawn["mask"]))

    return draw


def _lookup() -> np.ndarray:
    """(256,) uint8: train id of each label id, 255 for all others."""
    return np.where(CITYSCAPES.lookup < 0, IGNORE_INDEX, CITYSCAPES.lookup).astype(np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time one training sample from disk.", pairs=40)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 2048), metavar=("H", "W"))
    parser.add_argument("--crop", type=int, nargs=2, default=(768, 768), metavar=("H", "W"))
    options = parser.parse_args(argv)
    if options.quick:
        options.size, options.crop = (128, 256), (96, 96)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sample = write_sample(Path(folder), tuple(options.size))
        return _measure(Task(sample, tuple(options.size), tuple(options.crop)), options)


def _measure(task: Task, options: argparse.Namespace) -> int:
    subject, full_frame = "segibn sample", "albumentations, full frame"
    builders = {
        subject: lambda: ours(task),
        "torchvision v2": lambda: torchvision_v2(task),
        full_frame: lambda: albumentations_full_frame(task),
    }
    size, crop = ("x".join(map(str, sides)) for sides in (task.size, task.crop))
    benchmark = Benchmark(
        title="One training sample from PNG files to uint8 tensors",
        builders=builders,
        comparisons=[(subject, "torchvision v2"), (subject, full_frame)],
        conditions=f"frame {size}, crop {crop}, scale {SCALE_RANGE[0]}-{SCALE_RANGE[1]}, flip, "
        f"colour jitter {JITTER} with probability {JITTER_PROBABILITY}",
    )
    run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
