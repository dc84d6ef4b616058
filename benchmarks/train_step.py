#!/usr/bin/env python
"""One training step of a ResNet-50 FCN at output stride 8: ours (plain, IBN-a), torchvision's.

Both sides have the same layers (512-channel head, auxiliary head on layer3), loss weights,
optimiser, number format and batch. Each steps as its own training script does: ours normalises on
the device and keeps images channels-last, torchvision's gets float images in the usual layout.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn
from torchvision.models.segmentation import fcn_resnet50

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.config.schema import AuxHeadConfig, BackboneConfig, ModelConfig, OptimConfig
from segibn.engine.optim import build_optimizer
from segibn.engine.precision import autocast, choose_dtype
from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses.criterion import SegmentationLoss
from segibn.models.build import build_segmenter

CLASSES = 19
AUX_WEIGHT = 0.4
OPTIM = OptimConfig(lr=1e-3, momentum=0.9, weight_decay=1e-4)
Batch = tuple[Tensor, Tensor]


def make_batch(batch: int, crop: tuple[int, int], device: torch.device) -> Batch:
    """Return images (N, 3, H, W) uint8 and targets (N, H, W) uint8 with a tenth ignored."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (batch, 3, *crop), generator=generator, dtype=torch.uint8)
    target = torch.randint(CLASSES, (batch, *crop), generator=generator, dtype=torch.uint8)
    target[:, : crop[0] // 10] = IGNORE_INDEX
    return images.to(device), target.to(device)


def ours(ibn: str, device: torch.device, batch: Batch) -> Call:
    """The step of `segibn.engine.train`, without the loader."""
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=BackboneConfig(name="resnet50", ibn=ibn, output_stride=8),
        aux_head=AuxHeadConfig(),
    )
    model = build_segmenter(config, CLASSES).to(device, memory_format=torch.channels_last).train()
    optimizer = build_optimizer(model, OPTIM, device)
    criterion = SegmentationLoss(aux_weight=AUX_WEIGHT)
    dtype = choose_dtype("auto", device)

    def step(images: Tensor, target: Tensor) -> None:
        image = model.normalize(images).contiguous(memory_format=torch.channels_last)
        with autocast(dtype, device):
            output = model(image)
        loss, _ = criterion(output, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return _ready(step, batch)


def torchvision_fcn(device: torch.device, batch: Batch) -> Call:
    """The step of torchvision's segmentation reference; its images come normalised."""
    torch.manual_seed(0)
    model = fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)
    model = model.to(device).train()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=OPTIM.lr,
        momentum=OPTIM.momentum,
        weight_decay=OPTIM.weight_decay,
    )
    dtype = choose_dtype("auto", device)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORE_INDEX)

    def step(image: Tensor, target: Tensor) -> None:
        with autocast(dtype, device):
            output = model(image)
            loss = criterion(output["out"], target) + AUX_WEIGHT * criterion(output["aux"], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    images, target = batch
    return _ready(step, ((images.float() - 115) / 58, target.long()))


def _ready(step: Callable[[Tensor, Tensor], None], batch: Batch) -> Call:
    """Do one small step, so that the optimiser has its state; return the step on the batch."""
    step(*(part[..., :32, :32].contiguous() for part in batch))
    device = batch[0].device

    def call() -> None:
        step(*batch)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return call


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time one training step of a ResNet-50 FCN.", pairs=5)
    parser.add_argument("--batch", type=int, default=2, help="default 2, at least 2")
    parser.add_argument("--crop", type=int, nargs=2, default=(128, 128), metavar=("H", "W"))
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    options = parser.parse_args(argv)
    crop = (16, 16) if options.quick else tuple(options.crop)
    device = torch.device(options.device)
    batch = make_batch(options.batch, crop, device)
    rival = "torchvision fcn_resnet50"
    builders = {
        "segibn ResNet-50 FCN": partial(ours, "none", device, batch),
        "segibn ResNet-50-IBN-a FCN": partial(ours, "a", device, batch),
        rival: partial(torchvision_fcn, device, batch),
    }
    subjects = [name for name in builders if name != rival]
    dtype = str(choose_dtype("auto", device)).removeprefix("torch.")
    benchmark = Benchmark(
        title="One training step of a ResNet-50 FCN at output stride 8",
        builders=builders,
        comparisons=[(name, rival) for name in (subjects[:1] if options.quick else subjects)],
        conditions=f"batch {options.batch} of {crop[0]}x{crop[1]}, {CLASSES} classes, auxiliary "
        f"head, SGD, {dtype}",
        device=options.device,
    )
    run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
