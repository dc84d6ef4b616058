#!/usr/bin/env python
"""One training step: ours, as the engine does it, against segmentation_models_pytorch, torchvision, a plain loop.

DeepLabV3+ with separable convolutions on ResNet-50 at output stride 16 against smp's network of the
same layers, FCN with an auxiliary head at stride 8 against torchvision's, and the light network that
ships against a plain loop over the same network. Both sides have the same optimiser, number format,
batch and crop. Each steps as its own users' scripts do: ours normalises on the device, keeps images
channels-last and sums the loss from coarse logits; the others get float images in the usual layout
(smp in ours too) and full-size logits.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.segmentation import fcn_resnet50

from benchmarks.timing import Benchmark, Call, Row, make_parser, run
from segibn.builders.models import build_segmenter
from segibn.config.load import validate
from segibn.config.schema import RunConfig
from segibn.engine.update import Updater
from segibn.labels.label_set import IGNORE_INDEX

CLASSES = 19
AUX_WEIGHT = 0.4
OPTIM = {"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Dense bfloat16 operations per second by name of the device, the special ones first; NVIDIA's data
# sheets, without sparsity.
PEAKS = {"A100": 312e12, "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200 NVL": 835e12, "H200": 989e12}
OUR_NETWORKS = {
    "deeplabv3plus": {
        "backbone": {"name": "resnet50", "output_stride": 16},
        "head": {"name": "deeplabv3plus", "separable": True, "refine": "split", "dropout": 0.5},
    },
    "fcn": {"backbone": {"name": "resnet50", "output_stride": 8}, "aux_head": {"channels": 256}},
    "lite": {
        "backbone": {"name": "timm", "model": "tf_efficientnet_lite0", "output_stride": 16},
        "head": {"name": "deeplabv3plus", "channels": 96, "low_level_channels": 32, "atrous_rates": [2, 4, 6]},
        "weights": "none",
    },
}
Batch = dict[str, Tensor]


def make_batch(batch: int, crop: tuple[int, int], device: torch.device) -> Batch:
    """Return images (N, 3, H, W) and targets (N, H, W), uint8, with a tenth ignored.

    By NumPy: torch would start its threads, which a forked child then waits for in vain.
    """
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(batch, 3, *crop), dtype=np.uint8)
    target = generator.integers(CLASSES, size=(batch, *crop), dtype=np.uint8)
    target[:, : crop[0] // 10] = IGNORE_INDEX
    arrays = {"image": images, "target": target}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def _config(network: str, ibn: str, **more: Any) -> RunConfig:
    tree = OUR_NETWORKS[network]
    model = {**tree, "backbone": {**tree["backbone"], "ibn": ibn}}
    return validate({"name": "step", "data": {"train": {"name": "cityscapes"}}, "model": model, **more}, source="step")


def ours(network: str, ibn: str, dtype: str, options: argparse.Namespace, batch: Batch) -> Call:
    """The step of `segibn.engine`, without the loader."""
    torch.manual_seed(0)
    engine = {"precision": dtype, "compile": options.compile}
    config = _config(network, ibn, optim={**OPTIM, "global_batch_size": len(batch["image"])}, engine=engine)
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
    *,
    compiled: bool = False,
) -> Call:
    """The step of a plain training script; its images come normalised, its targets as int64."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    model = build().to(device, memory_format=layout).train()
    optimizer = torch.optim.SGD(model.parameters(), **OPTIM)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORE_INDEX)
    stepped = torch.compile(model) if compiled else model

    def step(part: Batch) -> None:
        image = part["image"]
        with torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "float32"):
            output = stepped(image)
            logits = output["out"] if isinstance(output, dict) else getattr(output, "coarse_logits", output)
            if logits.shape[-2:] != image.shape[-2:]:
                logits = F.interpolate(logits, image.shape[-2:], mode="bilinear")
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

    return smp.DeepLabV3Plus("resnet50", encoder_weights=None, classes=CLASSES, decoder_atrous_rates=(6, 12, 18))


def torchvision_network() -> nn.Module:
    """The rival's FCN."""
    return fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)


def lite_network() -> nn.Module:
    """Our own light network, which a plain script may train too."""
    return build_segmenter(_config("lite", "none").model, CLASSES)


RIVALS = {
    "deeplabv3plus": ("smp", smp_network),
    "fcn": ("torchvision", torchvision_network),
    "lite": ("plain loop over", lite_network),
}


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
    parser.add_argument(
        "--compile", action="store_true", help="ours by torch.compile, against rivals as they are and compiled too"
    )
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
        title="One training step of a segmentation network",
        builders=builders,
        comparisons=comparisons,
        conditions=f"batch {options.batch} of {crop[0]}x{crop[1]}, {CLASSES} classes, SGD",
        packages=("segmentation-models-pytorch",) if find_spec("segmentation_models_pytorch") else (),
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
    ours_is = " compiled" if options.compile else ""
    subjects = {
        f"segibn {network}{title}{ours_is}, {dtype}": partial(ours, network, ibn, dtype, options, batch)
        for ibn, title in (("none", ""), ("a", " IBN-a"))
        if ibn == "none" or network != "lite"  # timm's networks take a share instead
    }
    rivals = {}
    plain, last = torch.contiguous_format, torch.channels_last
    name, build = RIVALS[network]
    layouts = [("", plain)] if network == "fcn" else [("", plain), (" channels-last", last)]
    for compiled in (False, True) if options.compile else (False,):
        for title, layout in layouts:
            title += " compiled" if compiled else ""
            call = partial(theirs, build, layout, dtype, options, batch, compiled=compiled)
            rivals[f"{name} {network}{title}, {dtype}"] = call
    pairs = [(subject, rival) for rival in rivals for subject in subjects]
    return subjects | rivals, pairs


def _say_operations(rows: Sequence[Row], batch: Batch, options: argparse.Namespace) -> None:
    """Print the multiply-adds of both sides, and on CUDA what share of the peak each step reaches.

    A training step is taken for three forward passes.
    """
    for network in {row.subject.split()[1].rstrip(",") for row in rows}:
        count = count_operations(partial(build_segmenter, _config(network, "none").model, CLASSES), batch)
        name, build = RIVALS[network]
        rival_count = count_operations(build, batch)
        print(f"{network}, forward pass of the batch: {count:.2f} G multiply-adds, {name} {rival_count:.2f} G")
        if options.device == "cuda":
            _say_share(rows, network, count)


def _say_share(rows: Sequence[Row], network: str, count: float) -> None:
    device = torch.cuda.get_device_name()
    peak = next((peak for name, peak in PEAKS.items() if name in device), None)
    if peak is None:
        print(f"the bfloat16 peak of {device} is not known here")
        return
    seconds = {}
    for row in rows:
        seconds |= {row.subject: row.seconds, row.against: row.against_seconds}
    for name, duration in seconds.items():
        if name.split()[1].rstrip(",") == network and "bfloat16" in name:
            share = 3 * 2e9 * count / duration / peak
            print(f"{name}: {share:.1%} of the device's bfloat16 peak")


if __name__ == "__main__":
    sys.exit(main())
