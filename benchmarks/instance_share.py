#!/usr/bin/env python
"""What IBN and a share of the image's statistics cost: networks with DeepLabV3+ against themselves.

The rival is the same network with batch norm. A training step of the engine, a frame in PyTorch,
and a frame of the exported graph in ONNX Runtime.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.timing import Benchmark, Call, make_parser, run
from benchmarks.train_step import make_batch
from segibn.builders.models import build_segmenter
from segibn.config.load import validate
from segibn.config.schema import RunConfig
from segibn.engine.update import Updater
from segibn.export.exported import open_session
from segibn.export.writing import export
from segibn.models.segmenter import Segmenter

CLASSES = 19
_LITE = {"name": "timm", "model": "tf_efficientnet_lite0", "output_stride": 16}
_RESNET = {"name": "resnet18", "output_stride": 16}
_SHARE = {"ibn": "share", "ibn_share": 0.3}
_PLAIN = "batch norm"
BACKBONES: dict[str, dict[str, dict[str, Any]]] = {
    "EfficientNet-Lite0": {
        _PLAIN: _LITE,
        "IBN-a": _LITE | {"ibn": "a"},
        "IBN-b": _LITE | {"ibn": "b"},
        "share 0.3@8": _LITE | _SHARE,
        "share 0.3@8:last": _LITE | _SHARE | {"ibn_where": {"places": ["last"]}},
    },
    "ResNet-18": {_PLAIN: _RESNET | {"ibn": "none"}, "IBN-a": _RESNET | {"ibn": "a"}, "IBN-b": _RESNET | {"ibn": "b"}},
}
KINDS = {f"{name}, {norm}": b for name, norms in BACKBONES.items() for norm, b in norms.items()}


def config_of(kind: str, batch: int, precision: str) -> RunConfig:
    """The config that both have but for the norm."""
    rates = [1, 2, 3]
    head = {"name": "deeplabv3plus", "channels": 96, "low_level_channels": 32}
    tree = {
        "name": "share",
        "data": {"train": {"name": "cityscapes"}},
        "model": {"backbone": KINDS[kind], "head": head | {"atrous_rates": rates}},
        "optim": {"name": "adamw", "lr": 1e-3, "global_batch_size": batch},
        "engine": {"precision": precision, "channels_last": True},
    }
    return validate(tree, source="benchmark")


def network(kind: str) -> Segmenter:
    """A network in evaluation mode; its weights are random, which no time depends on."""
    torch.manual_seed(0)
    model = build_segmenter(config_of(kind, 1, "float32").model, CLASSES)
    return model.to(memory_format=torch.channels_last).eval()


def step(kind: str, options: argparse.Namespace, crop: tuple[int, int]) -> Call:
    """One update of the engine, without the loader."""
    config = config_of(kind, options.batch, options.dtype)
    torch.manual_seed(0)
    model = build_segmenter(config.model, CLASSES).to(memory_format=torch.channels_last).train()
    updater = Updater(config, model)
    batch = {**make_batch(options.batch, crop, torch.device("cpu")), "name": []}

    def call() -> None:
        updater.update(batch, 0).read()

    call()
    return call


def frame(kind: str, size: tuple[int, int]) -> Call:
    """Coarse logits of a frame in PyTorch."""
    model = network(kind)
    image = torch.randn(1, 3, *size).contiguous(memory_format=torch.channels_last)

    def call() -> None:
        with torch.inference_mode():
            model.coarse_logits(image)

    call()
    return call


def graph(kind: str, size: tuple[int, int], folder: Path) -> Call:
    """Coarse logits of a frame in ONNX Runtime."""
    path = folder / f"{list(KINDS).index(kind)}.onnx"
    if not path.is_file():
        export(network(kind), path)
    session = open_session(path.read_bytes(), path)
    image = torch.rand(1, 3, *size).numpy() * 255

    def call() -> None:
        session.run(["coarse_logits"], {"image": image})

    call()
    return call


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time a norm that takes a share of the image's statistics.", pairs=15)
    parser.add_argument("--batch", type=int, default=8, help="of a training step (8)")
    parser.add_argument("--crop", type=int, nargs=2, default=(144, 192), metavar=("H", "W"))
    parser.add_argument("--size", type=int, nargs=2, default=(512, 1024), metavar=("H", "W"))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args(argv)
    crop, size = tuple(options.crop), tuple(options.size)
    if options.quick:
        options.batch, crop, size = 2, (32, 32), (64, 64)
    with tempfile.TemporaryDirectory() as folder:
        builders = {}
        for kind in KINDS:
            builders[f"{kind}, training step"] = partial(step, kind, options, crop)
            builders[f"{kind}, frame"] = partial(frame, kind, size)
            if not options.quick:
                builders[f"{kind}, exported"] = partial(graph, kind, size, Path(folder))
        works = list(dict.fromkeys(name.rpartition(", ")[2] for name in builders))
        run(
            Benchmark(
                title="IBN and a share of the image's statistics against batch norm",
                builders=builders,
                comparisons=[
                    (f"{name}, {norm}, {work}", f"{name}, {_PLAIN}, {work}")
                    for name, norms in BACKBONES.items()
                    for work in works
                    for norm in norms
                    if norm != _PLAIN
                ],
                conditions=f"Output stride 16, steps of {options.batch} x {crop[0]}x{crop[1]} in "
                f"{options.dtype}, frames of {size[0]}x{size[1]}",
                packages=("timm", "onnxruntime"),
            ),
            options,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
