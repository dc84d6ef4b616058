#!/usr/bin/env python
"""Counting one frame into a confusion matrix: 19 classes, some pixels ignored.

Every rival gets its favourite type of input, made before the clock starts; that all of them count
the same is checked too.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from benchmarks.timing import Benchmark, Builder, Call, make_parser, run
from segibn.evaluation.confusion import Confusion
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
    confusion = Confusion(CLASSES)
    return partial(confusion.update, *maps)


def torchmetrics_matrix(maps: LabelMaps, validate: bool) -> Call:
    """``update`` of torchmetrics' confusion matrix, with or without its check of the values."""
    metric = MulticlassConfusionMatrix(CLASSES, ignore_index=IGNORE_INDEX, validate_args=validate)
    return partial(metric.update, *_as_tensors(maps))


def torchmetrics_jaccard(maps: LabelMaps) -> Call:
    """``update`` of torchmetrics' mIoU as it comes."""
    metric = MulticlassJaccardIndex(CLASSES, ignore_index=IGNORE_INDEX)
    return partial(metric.update, *_as_tensors(maps))


def _as_tensors(maps: LabelMaps) -> tuple[torch.Tensor, torch.Tensor]:
    """(pred, target) int64, as an argmax and a loader give them."""
    target, pred = maps
    return torch.from_numpy(pred).long()[None], torch.from_numpy(target).long()[None]


def require_equal_counts(maps: LabelMaps) -> None:
    """Stop if the rivals do not count the same pixels."""
    confusion = Confusion(CLASSES)
    confusion.update(*maps)
    counts = confusion.counts[:, :CLASSES]
    metric = MulticlassConfusionMatrix(CLASSES, ignore_index=IGNORE_INDEX)
    metric.update(*_as_tensors(maps))
    if not np.array_equal(counts, masked_bincount(*maps)):
        raise SystemExit("segibn and the masked bincount count differently")
    if not np.array_equal(counts, metric.confmat.numpy()):
        raise SystemExit("segibn and torchmetrics count differently")


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time the counting of one frame.", pairs=25)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 2048), metavar=("H", "W"))
    options = parser.parse_args(argv)
    if options.quick:
        options.size = (64, 128)
    maps = make_maps(tuple(options.size))
    builders: dict[str, Builder] = {
        "segibn Confusion": lambda: ours(maps),
        "numpy, masked bincount": lambda: partial(masked_bincount, *maps),
        "torchmetrics ConfusionMatrix": lambda: torchmetrics_matrix(maps, True),
        "torchmetrics ConfusionMatrix, unchecked": lambda: torchmetrics_matrix(maps, False),
        "torchmetrics JaccardIndex": lambda: torchmetrics_jaccard(maps),
    }
    subject, *rivals = builders
    benchmark = Benchmark(
        title="One frame into a confusion matrix",
        builders=builders,
        comparisons=[(subject, rival) for rival in rivals],
        conditions=f"{CLASSES} classes, {options.size[0]}x{options.size[1]}, {IGNORED:.0%} ignored",
        packages=("torchmetrics",),
    )
    run(benchmark, options)
    require_equal_counts(maps)  # afterwards: the children shall inherit a fresh process
    return 0


if __name__ == "__main__":
    sys.exit(main())
