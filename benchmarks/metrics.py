#!/usr/bin/env python
"""Counting one frame into a confusion matrix: 19 classes, some pixels ignored; and boundary IoU.

Every rival gets its favourite type of input, made before the clock starts; that all of them count
the same is checked too. mmsegmentation is compared where it is installed (README.md says how).
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from benchmarks.timing import Benchmark, Builder, Call, make_parser, run
from segibn.evaluation.boundary import BoundaryIoU, boundary_width
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.measure import Frame, FramePrediction
from segibn.inference.predictor import count_on_device
from segibn.labels.label_set import IGNORE_INDEX

CLASSES = 19
WRONG, IGNORED = 0.1, 0.12
"""Share of pixels that are predicted wrongly, and that are ignored (as in Cityscapes)."""
LabelMaps = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def make_maps(size: tuple[int, int], seed: int = 0) -> LabelMaps:
    """Return target and prediction, (H, W) uint8: blocks of 16 pixels a side, as scenes have."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(CLASSES, size=(size[0] // 16, size[1] // 16), dtype=np.uint8)
    ignored = rng.uniform(size=blocks.shape) < IGNORED
    truth = np.kron(blocks, np.ones((16, 16), np.uint8))
    wrong = rng.uniform(size=truth.shape) < WRONG
    pred = np.where(wrong, rng.integers(CLASSES, size=truth.shape, dtype=np.uint8), truth)
    target = truth.copy()
    target[np.kron(ignored, np.ones((16, 16), bool))] = IGNORE_INDEX
    return target, pred


def masked_bincount(target: NDArray[np.uint8], pred: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The common recipe: mask the valid pixels, number the pairs of classes, count them."""
    valid = target < CLASSES
    pairs = CLASSES * target[valid].astype(np.int64) + pred[valid]
    return np.bincount(pairs, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES)


def ours(maps: LabelMaps) -> Call:
    return partial(count_classes, *maps, CLASSES)


def on_device(maps: LabelMaps, device: str) -> Call:
    """Ours where the prediction is: label maps on the device, counts left there."""
    target, pred = (torch.from_numpy(label_map).to(device) for label_map in maps)
    return _synchronized(partial(count_on_device, target, pred, CLASSES), device)


def copied(maps: LabelMaps, device: str) -> Call:
    """The prediction copied to the host, and counted there."""
    target, pred = maps[0], torch.from_numpy(maps[1]).to(device)
    return lambda: count_classes(target, pred.cpu().numpy(), CLASSES)


def torchmetrics_matrix(maps: LabelMaps, validate: bool, device: str = "cpu") -> Call:
    """``update`` of torchmetrics' confusion matrix, with or without its check of the values."""
    metric = MulticlassConfusionMatrix(CLASSES, ignore_index=IGNORE_INDEX, validate_args=validate)
    tensors = (tensor.to(device) for tensor in _as_tensors(maps))
    return _synchronized(partial(metric.to(device).update, *tensors), device)


def torchmetrics_jaccard(maps: LabelMaps) -> Call:
    """``update`` of torchmetrics' mIoU as it comes."""
    metric = MulticlassJaccardIndex(CLASSES, ignore_index=IGNORE_INDEX)
    return partial(metric.update, *_as_tensors(maps))


def mmsegmentation(maps: LabelMaps, device: str = "cpu") -> Call:
    """Count a frame as mmsegmentation does, on int64 maps as its ``process`` passes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = importlib.import_module("mmseg.evaluation.metrics").IoUMetric
    pred, target = (tensor[0].to(device) for tensor in _as_tensors(maps))
    count = partial(metric.intersect_and_union, pred, target, CLASSES, IGNORE_INDEX)
    return _synchronized(count, device)


def boundary(maps: LabelMaps) -> Call:
    frame, prediction = Frame("", None, maps[0]), FramePrediction(maps[1])
    return partial(BoundaryIoU("x" * CLASSES).of, frame, prediction)


def boundary_by_class(maps: LabelMaps) -> NDArray[np.int64]:
    """Boundary IoU as published: erode the mask of each class, in both maps; (2, K) counts."""
    target, pred = maps[0], np.where(maps[0] == IGNORE_INDEX, np.uint8(IGNORE_INDEX), maps[1])
    width = boundary_width(target.shape)
    sums = np.zeros((2, CLASSES), dtype=np.int64)
    for index in range(CLASSES):
        rims = []
        for label_map in (target, pred):
            mask = (label_map == index).astype(np.uint8)
            framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
            inner = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=width)
            rims.append((mask - inner[1:-1, 1:-1]).astype(bool))
        sums[:, index] = (rims[0] & rims[1]).sum(), (rims[0] | rims[1]).sum()
    return sums


def _as_tensors(maps: LabelMaps) -> tuple[torch.Tensor, torch.Tensor]:
    """(pred, target) int64, as an argmax and a loader give them."""
    target, pred = maps
    return torch.from_numpy(pred).long()[None], torch.from_numpy(target).long()[None]


def _synchronized(call: Call, device: str) -> Call:
    """Wait for the device, so that a clock sees its work."""
    if device == "cpu":
        return call

    def wait() -> object:
        result = call()
        torch.cuda.synchronize()
        return result

    return wait


def has_mmsegmentation() -> bool:
    return all(find_spec(name) for name in ("mmseg", "mmcv", "mmengine"))


def require_equal_counts(maps: LabelMaps) -> None:
    """Stop if the rivals do not count the same pixels."""
    confusion = count_classes(*maps, CLASSES)
    counts = confusion[:, :CLASSES]
    metric = MulticlassConfusionMatrix(CLASSES, ignore_index=IGNORE_INDEX)
    metric.update(*_as_tensors(maps))
    both, union = np.diagonal(counts), counts.sum(0) + counts.sum(1) - np.diagonal(counts)
    found = {
        "the masked bincount": np.array_equal(counts, masked_bincount(*maps)),
        "torchmetrics": np.array_equal(counts, metric.confmat.numpy()),
        "the count on a device": np.array_equal(confusion, on_device(maps, "cpu")()),
    }
    if has_mmsegmentation():
        areas = mmsegmentation(maps)()
        found["mmsegmentation"] = np.array_equal(areas[0], both) and np.array_equal(areas[1], union)
    edges = boundary(maps)()
    rims = edges[0], edges[1] + edges[2] - edges[0]
    found["erosion by class"] = np.array_equal(rims, boundary_by_class(maps))
    for rival, is_equal in found.items():
        if not is_equal:
            raise SystemExit(f"segibn and {rival} count differently")


def cpu_builders(maps: LabelMaps) -> dict[str, Builder]:
    """Return how to make each subject ready, ours first."""
    builders: dict[str, Builder] = {
        "segibn Confusion": lambda: ours(maps),
        "numpy, masked bincount": lambda: partial(masked_bincount, *maps),
        "torchmetrics ConfusionMatrix": lambda: torchmetrics_matrix(maps, True),
        "torchmetrics ConfusionMatrix, unchecked": lambda: torchmetrics_matrix(maps, False),
        "torchmetrics JaccardIndex": lambda: torchmetrics_jaccard(maps),
    }
    if has_mmsegmentation():
        builders["mmsegmentation intersect_and_union"] = lambda: mmsegmentation(maps)
    else:
        print("mmsegmentation: not installed; benchmarks/README.md says how")
    return builders


def cuda_builders(maps: LabelMaps) -> dict[str, Builder]:
    """Return the same for predictions on a CUDA device."""
    builders: dict[str, Builder] = {
        "segibn, counted on the device": lambda: on_device(maps, "cuda"),
        "segibn, copied to the host": lambda: copied(maps, "cuda"),
        "torchmetrics ConfusionMatrix": lambda: torchmetrics_matrix(maps, True, "cuda"),
        "torchmetrics ConfusionMatrix, unchecked": lambda: torchmetrics_matrix(maps, False, "cuda"),
    }
    if has_mmsegmentation():
        builders["mmsegmentation intersect_and_union"] = lambda: mmsegmentation(maps, "cuda")
    return builders


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time the counting of one frame.", pairs=25)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 2048), metavar=("H", "W"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args(argv)
    if options.quick:
        options.size = (64, 128)
    maps = make_maps(tuple(options.size))
    builders = (cpu_builders if options.device == "cpu" else cuda_builders)(maps)
    subject, *rivals = builders
    comparisons = [(subject, rival) for rival in rivals]
    if options.device == "cpu":
        builders["segibn BoundaryCounts"] = lambda: boundary(maps)
        builders["OpenCV, erosion class by class"] = lambda: partial(boundary_by_class, maps)
        comparisons.append(("segibn BoundaryCounts", "OpenCV, erosion class by class"))
    benchmark = Benchmark(
        title="One frame into a confusion matrix",
        builders=builders,
        comparisons=comparisons,
        conditions=f"{CLASSES} classes, {options.size[0]}x{options.size[1]}, {IGNORED:.0%} ignored",
        packages=("torchmetrics", *(["mmsegmentation"] if has_mmsegmentation() else [])),
        device=options.device,
    )
    run(benchmark, options)
    require_equal_counts(maps)  # afterwards: the children shall inherit a fresh process
    return 0


if __name__ == "__main__":
    sys.exit(main())
