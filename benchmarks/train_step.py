#!/usr/bin/env python
"""One training step: ours, as the engine does it, against segmentation_models_pytorch, torchvision.

DeepLabV3+ with separable convolutions on ResNet-50 at output stride 16 against smp's network of the
same layers, and FCN with an auxiliary head at stride 8 against torchvision's. Both sides have the
same optimiser, number format, batch and crop. Each steps as its own users' scripts do: ours
normalises on the device, keeps images channels-last and sums the loss from coarse logits; the
others get float images in the usual layout (smp in ours too) and full-size logits.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.segmentation import fcn_resnet50

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.config.load import validate
from segibn.engine.precision import autocast
from segibn.engine.update import Updater
from segibn.labels.label_set import IGNORE_INDEX
from segibn.models.build import build_segmenter

CLASSES = 19
AUX_WEIGHT = 0.4
OPTIM = {"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Dense bfloat16 operations per second without sparsity, from NVIDIA's data sheets.
PEAKS = {"A100": 312e12, "H100": 989e12, "H200": 989e12}
OUR_NETWORKS = {
    "deeplabv3plus": {
        "backbone": {"name": "resnet50", "output_stride": 16},
        "head": {"name": "deeplabv3plus", "separable": True, "dropout": 0.5},
    },
    "fcn": {"backbone": {"name": "resnet50", "output_stride": 8}, "aux_head": {"channels": 256}},
}
Batch = dict[str, Tensor]


def make_batch(batch: int, crop: tuple[int, int], device: torch.device) -> Batch:
    """Return images (N, 3, H, W) and targets (N, H, W), uint8, with a tenth ignored."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch, 3, *crop), generator=generator, dtype=torch.uint8)
    target = torch.randint(CLASSES, (batch, *crop), generator=generator, dtype=torch.uint8)
    target[:, : crop[0] // 10] = IGNORE_INDEX
    return {"image": images.to(device), "target": target.to(device)}


def ours(network: str, ibn: str, dtype: str, options: argparse.Namespace, batch: Batch) -> Call:
    """The step of `segibn.engine`, without the loader."""
    torch.manual_seed(0)
    tree = OUR_NETWORKS[network]
    size = len(batch["image"])
    config = validate(
        {
            "name": "step",
            "data": {"train": {"name": "cityscapes"}},
            "model": {**tree, "backbone": {**tree["backbone"], "ibn": ibn}},
            "optim": {**OPTIM, "global_batch_size": size},
            "engine": {"precision": dtype, "compile": options.compile},
        },
        source="benchmark",
    )
    model = build_segmenter(config.model, CLASSES)
    model = model.to(options.device, memory_format=torch.channels_last).train()
    updater = Updater(config, model)

    def step(part: Batch) -> None:
        updater.update({**part, "name": []}, 0).read()

    return _ready(step, batch, options.device)


def theirs(
    build: Callable[[], nn.Module],
    layout: torch.memory_format,
    dtype: str,
    options: argparse.Namespace,
    batch: Batch,
) -> Call:
    """The step of a plain training script; its images come normalised, its targets as int64."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    model = build().to(device, memory_format=layout).train()
    optimizer = torch.optim.SGD(model.parameters(), **OPTIM)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORE_INDEX)
    stepped = torch.compile(model) if options.compile else model

    def step(part: Batch) -> None:
        image = part["image"]
        with autocast(DTYPES[dtype], device):
            output = stepped(image)
            logits = output["out"] if isinstance(output, dict) else output
            loss = criterion(logits, part["target"])
            if isinstance(output, dict):
                loss = loss + AUX_WEIGHT * criterion(output["aux"], part["target"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    image = ((batch["image"].float() - 115) / 58).contiguous(memory_format=layout)
    return _ready(step, {"image": image, "target": batch["target"].long()}, options.device)


def smp_network() -> nn.Module:
    """The rival's DeepLabV3+; its own default rates are those of stride 8."""
    import segmentation_models_pytorch as smp

    return smp.DeepLabV3Plus(
        "resnet50", encoder_weights=None, classes=CLASSES, decoder_atrous_rates=(6, 12, 18)
    )


def torchvision_network() -> nn.Module:
    """The rival's FCN."""
    return fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)


def _ready(step: Callable[[Batch], None], batch: Batch, device: str) -> Call:
    """Do one step, so that the optimiser has its state; return the step on the batch."""
    if device == "cpu":  # a small one: what it takes shall not hide the peak of a large one
        step({name: part[..., :32, :32].contiguous() for name, part in batch.items()})
    else:
        step(batch)

    def call() -> None:
        step(batch)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def count_operations(build: Callable[[], nn.Module], batch: Batch) -> float:
    """Return the multiply-adds of one forward pass of a batch, in 1e9."""
    with torch.device("meta"):
        model, image = build(), torch.empty(batch["image"].shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops() / 2e9


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time one training step.", pairs=5)
    parser.add_argument("--network", nargs="+", choices=tuple(OUR_NETWORKS), default=None)
    parser.add_argument("--batch", type=int, default=2, help="default 2, at least 2")
    parser.add_argument("--crop", type=int, nargs=2, default=(384, 384), metavar=("H", "W"))
    parser.add_argument("--dtype", nargs="+", choices=tuple(DTYPES), default=tuple(DTYPES))
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    parser.add_argument("--compile", action="store_true", help="all networks by torch.compile")
    options = parser.parse_args(argv)
    crop = (32, 32) if options.quick else tuple(options.crop)
    batch = make_batch(options.batch, crop, torch.device(options.device))
    builders, comparisons = {}, []
    networks = options.network or _available()
    for network in networks[:1] if options.quick else networks:
        for dtype in options.dtype[:1] if options.quick else options.dtype:
            made, pairs = _subjects(network, dtype, options, batch)
            builders |= made
            comparisons += pairs[:1] if options.quick else pairs
    benchmark = Benchmark(
        title="One training step of a segmentation network with ResNet-50",
        builders=builders,
        comparisons=comparisons,
        conditions=f"batch {options.batch} of {crop[0]}x{crop[1]}, {CLASSES} classes, SGD, "
        f"{'compiled' if options.compile else 'eager'}",
        packages=("segmentation-models-pytorch",)
        if find_spec("segmentation_models_pytorch")
        else (),
        device=options.device,
    )
    rows = run(benchmark, options)
    _say_operations(rows, batch, options)
    return 0


def _available() -> list[str]:
    if find_spec("segmentation_models_pytorch") is None:
        print("segmentation_models_pytorch is not installed: DeepLabV3+ is left out")
        return ["fcn"]
    return list(OUR_NETWORKS)


def _subjects(
    network: str, dtype: str, options: argparse.Namespace, batch: Batch
) -> tuple[dict[str, Callable[[], Call]], list[tuple[str, str]]]:
    """Builders and comparisons of one network in one number format."""
    subjects = {
        f"segibn {network}{title}, {dtype}": partial(ours, network, ibn, dtype, options, batch)
        for ibn, title in (("none", ""), ("a", " IBN-a"))
    }
    plain, last = torch.contiguous_format, torch.channels_last
    if network == "fcn":
        rivals = {
            f"torchvision fcn, {dtype}": partial(
                theirs, torchvision_network, plain, dtype, options, batch
            )
        }
    else:
        rivals = {
            f"smp {network}{title}, {dtype}": partial(
                theirs, smp_network, layout, dtype, options, batch
            )
            for layout, title in ((plain, ""), (last, " channels-last"))
        }
    pairs = [(subject, rival) for rival in rivals for subject in subjects]
    return subjects | rivals, pairs


def _say_operations(rows: list, batch: Batch, options: argparse.Namespace) -> None:
    """Print the multiply-adds of both DeepLabV3+, and on CUDA what share of the peak ours reaches.

    A training step is taken for three forward passes.
    """
    ours_g = None
    for network in {row.subject.split()[1].rstrip(",") for row in rows}:
        config = validate(
            {
                "name": "count",
                "data": {"train": {"name": "cityscapes"}},
                "model": OUR_NETWORKS[network],
            },
            source="benchmark",
        )
        ours_g = count_operations(partial(build_segmenter, config.model, CLASSES), batch)
        rival = smp_network if network == "deeplabv3plus" else torchvision_network
        print(
            f"{network}, forward: {ours_g:.1f} G multiply-adds, rival "
            f"{count_operations(rival, batch):.1f} G"
        )
        if options.device != "cuda":
            continue
        peak = next((p for n, p in PEAKS.items() if n in torch.cuda.get_device_name()), None)
        for row in rows:
            if peak and "bfloat16" in row.subject and f" {network}" in row.subject:
                share = 3 * 2e9 * ours_g / row.seconds / peak
                print(f"{row.subject}: {share:.1%} of the device's bfloat16 peak")


if __name__ == "__main__":
    sys.exit(main())
