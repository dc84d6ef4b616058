#!/usr/bin/env python
"""From a frame to its label map: classes one at a time against all logits at full size.

The network is the same on both sides. `Segmenter.predict` keeps the coarse logits and upsamples
class by class; the usual way upsamples all of them and takes the argmax. The third row leaves the
network out and measures only that step. That both give the same map is checked too.

The last comparison is the same step for the logits of three scales, each also mirrored: bands of
rows against probabilities at full size, added up view by view. Their sums are rounded in another
order, so that a few pixels with two equally good classes may differ.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import Benchmark, Builder, Call, make_parser, run
from segibn.builders.models import build_segmenter
from segibn.config.backbones import BackboneConfig
from segibn.config.model import DeepLabV3PlusHeadConfig, ModelConfig
from segibn.inference.views import averaged_argmax
from segibn.models.kernels.resize import resize_image
from segibn.models.layers import banded_argmax
from segibn.models.segmenter import Segmenter

CLASSES = 19
SCALES = (0.75, 1.0, 1.25)
Size = tuple[int, int]


@cache
def network(backbone: str, output_stride: int, device: str) -> Segmenter:
    """DeepLabV3+ with random weights and a narrow head, as in the experiments of this project."""
    torch.manual_seed(0)
    head = DeepLabV3PlusHeadConfig(name="deeplabv3plus", channels=64, low_level_channels=24, atrous_rates=(1, 2, 3))
    config = ModelConfig(backbone=BackboneConfig(name=backbone, output_stride=output_stride), head=head)
    model = build_segmenter(config, CLASSES)
    return model.to(device, memory_format=torch.channels_last).eval()


@torch.inference_mode()
def predict_at_once(model: Segmenter, images: Tensor, input_size: Size) -> Tensor:
    """The usual way: (N, 3, H, W) uint8 -> (N, H, W) uint8 by way of (N, K, H, W) logits."""
    image = resize_image(model.normalize(images), input_size)
    return argmax_at_once(model.coarse_logits(image), tuple(images.shape[-2:]))


def argmax_at_once(coarse: Tensor, size: Size) -> Tensor:
    """All coarse logits to full size, then the argmax."""
    logits = F.interpolate(coarse.contiguous(), size=size, mode="bilinear", align_corners=False)
    return logits.argmax(dim=1).to(torch.uint8)


def frame_builders(get_model: Callable[[], Segmenter], frame: Size, seen: Size) -> list[Builder]:
    """Return builders of ours and the usual way for frames of one size, seen at another."""

    def build(predict: Callable[[Segmenter, Tensor, Size], Tensor]) -> Call:
        model = get_model()
        images = _picture(frame, model.pixel_mean.device)
        predict(model, images[..., :64, :64].contiguous(), (64, 64))
        return _synchronized(partial(predict, model, images, seen), images)

    def ours(model: Segmenter, images: Tensor, input_size: Size) -> Tensor:
        return model.predict(images, input_size=input_size)

    return [partial(build, ours), partial(build, predict_at_once)]


def step_builders(coarse_size: Size, frame: Size, device: str) -> list[Builder]:
    """Return builders of the last step alone: coarse logits to a label map."""

    def build(argmax: Callable[[Tensor, Size], Tensor]) -> Call:
        torch.manual_seed(0)
        coarse = torch.randn(1, CLASSES, *coarse_size, device=device)
        argmax(coarse[..., :4, :4], (16, 16))
        return _synchronized(torch.inference_mode()(partial(argmax, coarse, frame)), coarse)

    return [partial(build, banded_argmax), partial(build, argmax_at_once)]


def views_builders(seen: Size, frame: Size, device: str) -> list[Builder]:
    """Return builders of the last step for several views: their logits to a label map."""

    def build(average: Callable[[list[Tensor], Size], Tensor]) -> Call:
        torch.manual_seed(0)
        sizes = [tuple(round(side * scale / 4) for side in seen) for scale in SCALES]
        views = [torch.randn(1, CLASSES, *size, device=device) for size in sizes for _ in range(2)]
        average([view[..., :4, :4] for view in views], (16, 16))
        return _synchronized(torch.inference_mode()(partial(average, views, frame)), views[0])

    return [partial(build, averaged_argmax), partial(build, average_at_once)]


def average_at_once(views: list[Tensor], size: Size) -> Tensor:
    """The usual way: the softmax of each view at full size, added up; then the argmax."""
    total = torch.zeros(1, CLASSES, *size, device=views[0].device)
    for view in views:
        total += F.interpolate(view, size=size, mode="bilinear", align_corners=False).softmax(1)
    return total.argmax(dim=1).to(torch.uint8)


def _synchronized(call: Call, like: Tensor) -> Call:
    """Wait for the device, so that a clock sees its work."""
    if like.device.type == "cpu":
        return call

    def wait() -> object:
        result = call()
        torch.cuda.synchronize()
        return result

    return wait


def _picture(size: Size, device: torch.device) -> Tensor:
    """(1, 3, H, W) uint8: random colours drawn out smoothly."""
    torch.manual_seed(0)
    grid = torch.rand(1, 3, 8, 16) * 255
    return F.interpolate(grid, size=size, mode="bilinear").to(torch.uint8).to(device)


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time and weigh the prediction of one frame.", pairs=9)
    parser.add_argument("--backbone", default="resnet18", help="default resnet18")
    parser.add_argument("--output-stride", type=int, default=32, help="default 32")
    parser.add_argument("--input", type=int, nargs=2, default=(512, 1024), metavar=("H", "W"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args(argv)
    seen = (64, 128) if options.quick else tuple(options.input)
    frame = (2 * seen[0], 2 * seen[1])
    get_model = partial(network, options.backbone, options.output_stride, options.device)
    small, large = ("x".join(map(str, size)) for size in (seen, frame))
    pairs = {
        f"frame {small}": frame_builders(get_model, seen, seen),
        f"frame {large} seen at {small}": frame_builders(get_model, frame, seen),
        f"last step, {large}": step_builders((seen[0] // 4, seen[1] // 4), frame, options.device),
        f"last step of 6 views, {large}": views_builders(seen, frame, options.device),
    }
    comparisons = [(f"segibn, {what}", f"all at once, {what}") for what in pairs]
    benchmark = Benchmark(
        title="From a frame to its label map",
        builders={
            name: builder
            for names, builders in zip(comparisons, pairs.values(), strict=True)
            for name, builder in zip(names, builders, strict=True)
        },
        comparisons=comparisons,
        conditions=f"{CLASSES} classes, {options.backbone} DeepLabV3+ at output stride "
        f"{options.output_stride}, float32, batch 1",
        device=options.device,
    )
    run(benchmark, options)
    for what, (ours, theirs) in pairs.items():
        differing = (ours()() != theirs()()).float().mean().item()
        if differing > (1e-5 if "views" in what else 0):
            raise SystemExit(f"{what}: the two ways give different label maps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
