#!/usr/bin/env python
"""One training sample from disk: decode, labels to classes, scale, crop, flip, colour jitter.

Ours draws the window first and decodes and resizes only that, from the data set's own files or from
the disk cache; the others decode and resize the whole frame and then crop, as their documentation
shows it. All end in uint8 tensors of the crop size. One thread, as in a worker of a loader.

A piece of work is one sample of each frame; times are for one sample. Without --frames and --labels
the frames are made up. Rivals that are not installed are left out, and named.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks a server for its version

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks import data_rivals as rivals
from benchmarks.data_steps import STEPS
from benchmarks.memory import MIB, Builder
from benchmarks.timing import Benchmark, Call, Row, make_parser, run
from segibn.data.dataset import SegmentationDataset
from segibn.data.datasets.source import Place
from segibn.data.disk_cache import DiskCache
from segibn.data.samples import SamplePaths, pair_by_name
from segibn.data.transforms import TrainTransform
from segibn.files.pictures import image_size
from segibn.labels.cityscapes import CITYSCAPES

PLAIN, CACHED = "segibn, plain files", "segibn, disk cache"


def find_samples(options: argparse.Namespace) -> list[SamplePaths]:
    """Pair the frames and label maps that the command line names."""
    pairing = pair_by_name(
        Place("", options.frame_suffix).files(options.frames),
        Place("", options.label_suffix).files(options.labels),
        target_of=lambda name: f"{options.labels}/{name}{options.label_suffix}",
        image_of=lambda name: f"{options.frames}/{name}{options.frame_suffix}",
    )
    if not pairing.samples:
        raise SystemExit(
            f"no frame *{options.frame_suffix} in {options.frames} has a label map "
            f"*{options.label_suffix} in {options.labels}; see --frame-suffix and --label-suffix"
        )
    return list(pairing.samples[: options.count])


def write_sample(folder: Path, size: tuple[int, int], seed: int) -> SamplePaths:
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
    name = f"made_up_{seed}"
    paths = SamplePaths(name, folder / f"{name}.png", folder / f"{name}_labels.png")
    # Pillow packs as tightly as most data sets were packed; OpenCV trades size for speed.
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(paths.image)
    Image.fromarray(label_map.astype(np.uint8)).save(paths.target)
    return paths


def _smooth(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """(H, W, 3) float: random values on a grid of ``cells`` x twice as many, drawn out smoothly."""
    grid = rng.normal(size=(cells, 2 * cells, 3))
    return cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def dataset_of(task: rivals.Task, cache: DiskCache | None) -> SegmentationDataset:
    """The data set class that a training run uses."""
    transform = TrainTransform(
        task.crop, rivals.SCALE_RANGE, color_jitter=rivals.JITTER, color_jitter_probability=rivals.JITTER_PROBABILITY
    )
    return SegmentationDataset(task.samples, CITYSCAPES, transform, cache=cache)


def ours(task: rivals.Task, cache: DiskCache | None) -> Call:
    """Every call is the next positions of a run."""
    dataset = dataset_of(task, cache)
    position = 0

    def work() -> None:
        nonlocal position
        for index in range(len(task.samples)):
            dataset[position, index]
            position += 1

    return work


def require_identical(task: rivals.Task, cache: DiskCache, rounds: int) -> None:
    """Stop if a sample of the cache is not that of the plain files, to the bit."""
    plain, cached = dataset_of(task, None), dataset_of(task, cache)
    for position in range(rounds * len(task.samples)):
        key = (position, position % len(task.samples))
        for part in ("image", "target"):
            if not torch.equal(plain[key][part], cached[key][part]):
                raise SystemExit(f"{part} {key} of the cache differs from that of the files")


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time one training sample from disk.", pairs=40)
    parser.add_argument("--frames", type=Path, metavar="DIR", help="folder of PNG frames")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="folder of Cityscapes label ids")
    parser.add_argument("--frame-suffix", default="_leftImg8bit.png", metavar="TEXT")
    parser.add_argument("--label-suffix", default="_gtFine_labelIds.png", metavar="TEXT")
    parser.add_argument("--count", type=int, default=8, help="frames to use (default 8)")
    parser.add_argument("--crop", type=int, nargs=2, default=(768, 768), metavar=("H", "W"))
    options = parser.parse_args(argv)
    if (options.frames is None) != (options.labels is None):
        parser.error("give --frames and --labels, or neither")
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if options.quick:
        options.crop, options.count = (96, 96), 2
    with tempfile.TemporaryDirectory() as folder:
        if options.frames is not None:
            samples = find_samples(options)
        else:
            size = (128, 256) if options.quick else (1024, 2048)
            samples = [write_sample(Path(folder), size, seed) for seed in range(2)]
        task = rivals.Task(samples, image_size(samples[0].image), tuple(options.crop))
        return _measure(task, Path(folder) / "cache", options)


def _measure(task: rivals.Task, folder: Path, options: argparse.Namespace) -> int:
    cache = DiskCache(task.samples, CITYSCAPES, None, folder)
    require_identical(task, cache, rounds=1 if options.quick else 8)
    builders: dict[str, Builder] = {
        PLAIN: lambda: ours(task, None),
        CACHED: lambda: ours(task, cache),
        "torchvision v2": lambda: rivals.torchvision_v2(task),
        "PIL": lambda: rivals.pil(task),
    }
    packages: tuple[str, ...] = ("imagecodecs",)
    if rivals.has_mmsegmentation():
        builders = {"mmsegmentation": lambda: rivals.mmsegmentation(task), **builders}
        packages += ("mmsegmentation", "mmengine")
    else:
        print("mmsegmentation: not installed; benchmarks/README.md says how")
    if find_spec("albumentations"):
        builders["albumentations"] = lambda: rivals.albumentations_full_frame(task)
    else:
        print("albumentations: not installed")
    others = [name for name in builders if name not in (PLAIN, CACHED)]
    comparisons = [(subject, other) for other in others for subject in (PLAIN, CACHED)]
    comparisons.append((CACHED, PLAIN))
    for name, step in STEPS.items():
        builders[f"step: {name}"] = lambda step=step: step(task, cache)
        comparisons.append((f"step: {name}", PLAIN))
    rows = run(
        Benchmark(
            title="One training sample from PNG files to uint8 tensors; steps against a whole one",
            builders=builders,
            comparisons=comparisons,
            conditions=_conditions(task, cache),
            packages=packages,
            pieces=len(task.samples),
        ),
        options,
    )
    _print_rates(rows)
    return 0


def _conditions(task: rivals.Task, cache: DiskCache) -> str:
    size, crop = ("x".join(map(str, sides)) for sides in (task.size, task.crop))
    low, high = rivals.SCALE_RANGE
    names = ", ".join(sample.name for sample in task.samples)
    files = [path for sample in task.samples for path in (sample.image, sample.target)]
    in_files = sum(path.stat().st_size for path in files) / len(task.samples) / MIB
    pixels = 4 * task.size[0] * task.size[1] / MIB
    return (
        f"{len(task.samples)} frames of {size} ({names}), crop {crop}, scale {low}-{high}, flip, "
        f"colour jitter {rivals.JITTER} with probability {rivals.JITTER_PROBABILITY}; a frame "
        f"takes {in_files:.2f} MiB in files, {pixels:.2f} in the cache"
    )


def _print_rates(rows: Sequence[Row]) -> None:
    """Print images per second of one core; each pipeline's median over the rows it is in."""
    seconds: dict[str, list[float]] = {}
    for row in rows:
        if not row.subject.startswith("step: "):
            seconds.setdefault(row.subject, []).append(row.seconds)
            seconds.setdefault(row.against, []).append(row.against_seconds)
    print("images per second and core")
    for name, found in sorted(seconds.items(), key=lambda item: np.median(item[1])):
        print(f"  {name:<22} {1 / np.median(found):6.1f}")


if __name__ == "__main__":
    sys.exit(main())
