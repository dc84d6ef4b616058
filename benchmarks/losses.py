#!/usr/bin/env python
"""The losses, forward and backward, against torch's cross-entropy on the same logits.

Ours take the uint8 targets that the loader gives; torch's gets its int64 targets ready made. Every
class is present, which is the worst case for Lovasz-softmax: it sorts once for each.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses.cross_entropy import cross_entropy, ohem_cross_entropy
from segibn.losses.regions import dice_loss, lovasz_softmax

CLASSES = 19
RIVAL = "torch cross-entropy"
SMOOTHED_RIVAL = "torch cross-entropy, weighted, smoothed"
WEIGHTS = torch.linspace(0.5, 2, CLASSES)
OURS: dict[str, Callable[..., Tensor]] = {
    "cross-entropy": cross_entropy,
    "OHEM": ohem_cross_entropy,
    "Dice": dice_loss,
    "Lovasz-softmax": lovasz_softmax,
}


def make_call(name: str, batch: int, crop: tuple[int, int], device: str) -> Call:
    """One piece of work: a loss and its gradient by the logits."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, CLASSES, *crop, generator=generator).to(device).requires_grad_()
    target = torch.randint(CLASSES, (batch, *crop), generator=generator, dtype=torch.uint8)
    target[:, : crop[0] // 10] = IGNORE_INDEX
    options = {}
    if name.endswith("smoothed"):
        options = {"weight": WEIGHTS.to(device), "label_smoothing": 0.1}
    if name.startswith("torch"):
        target = target.long()
        loss = partial(F.cross_entropy, ignore_index=IGNORE_INDEX, **options)
    else:
        if options:
            options["class_weights"] = options.pop("weight")
        loss = partial(OURS[name.partition(",")[0]], **options)
    target = target.to(device)

    def call() -> None:
        logits.grad = None
        loss(logits, target).backward()
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time the losses.", pairs=9)
    parser.add_argument("--batch", type=int, default=2, help="default 2")
    parser.add_argument("--crop", type=int, nargs=2, default=(768, 768), metavar=("H", "W"))
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    options = parser.parse_args(argv)
    crop = (16, 16) if options.quick else tuple(options.crop)
    comparisons = [(name, RIVAL) for name in OURS]
    comparisons += [(f"{name}, weighted, smoothed", SMOOTHED_RIVAL) for name in ("cross-entropy", "OHEM")]
    names = dict.fromkeys(name for pair in comparisons for name in pair)
    benchmark = Benchmark(
        title="Losses, forward and backward",
        builders={name: partial(make_call, name, options.batch, crop, options.device) for name in names},
        comparisons=comparisons,
        conditions=f"logits ({options.batch}, {CLASSES}, {crop[0]}, {crop[1]}) float32, a tenth of the pixels ignored",
        device=options.device,
    )
    run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
