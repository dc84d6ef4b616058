#!/usr/bin/env python
"""A frame to its label map on a CPU: PyTorch in float32 against bfloat16, ONNX Runtime, int8, OpenVINO and LiteRT.

All go through the same `Predictor`, uint8 frame in, uint8 label map out, with as many threads. OpenVINO and LiteRT
are timed where their packages are. The
network has random weights, which changes no time; int8 is calibrated on the benchmark's own frame.
What eight bits cost in mIoU a trained network tells: `export_scores.py`.
"""

import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.timing import Benchmark, Builder, Call, make_parser, run
from segibn.builders.models import build_segmenter
from segibn.config.backbones import BackboneConfig
from segibn.config.model import DeepLabV3PlusHeadConfig, ModelConfig
from segibn.description import LABELS, LOGITS, Description
from segibn.export.exported import graph_network, load_onnx
from segibn.export.openvino import export_openvino, openvino_compute
from segibn.export.phones import export_tflite, tflite_compute
from segibn.export.quantize import export_int8
from segibn.export.writing import export
from segibn.extras import is_there
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter

CLASSES = 19
Size = tuple[int, int]


def network(backbone: str, ibn: str) -> Segmenter:
    """DeepLabV3+ at stride 16 with random weights that tell all classes."""
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=BackboneConfig(name=backbone, ibn=ibn, output_stride=16),
        head=DeepLabV3PlusHeadConfig(name="deeplabv3plus"),
    )
    model = build_segmenter(config, CLASSES).eval()
    torch.nn.init.normal_(model.head.classifier.weight)
    return model


def picture(size: Size) -> np.ndarray:
    """(H, W, 3) uint8: random colours drawn out smoothly."""
    torch.manual_seed(0)
    grid = torch.rand(1, 3, 8, 16) * 255
    image = torch.nn.functional.interpolate(grid, size=size, mode="bilinear")
    return image[0].permute(1, 2, 0).to(torch.uint8).numpy()


def describe(labels: bool, size: Size | None = None) -> Description:
    """What files of this benchmark say of themselves."""
    taken, given = LABELS if labels else LOGITS
    return Description(
        config="benchmark",
        iteration=0,
        label_set=None,
        class_names=tuple(f"class {number}" for number in range(CLASSES)),
        palette=((0, 0, 0),) * CLASSES,
        input=taken,
        output=given,
        input_size=size,
        pixel_mean=PIXEL_MEAN,
        pixel_std=PIXEL_STD,
    )


def write_files(folder: Path, backbone: str, ibn: str, size: Size) -> None:
    """Write the network's graphs; in a process of its own, so that this one stays small."""
    model = network(backbone, ibn)
    for name, labels in (("logits", False), ("labels", True)):
        export(model, folder / f"{ibn}_{name}.onnx", describe(labels), labels=labels)
    if is_there("openvino"):
        export_openvino(model, folder / f"{ibn}_logits.xml", describe(False))
    if is_there("litert_torch"):
        export_tflite(model, folder / f"{ibn}_logits.tflite", describe(False, size))
    frame = picture(size)
    export_int8(model, folder / f"{ibn}_int8.onnx", describe(False), [frame])


def torch_builder(backbone: str, ibn: str, size: Size, precision: str, compiled: bool) -> Call:
    """A frame through PyTorch."""
    model = network(backbone, ibn)
    if compiled:
        model.coarse_logits = torch.compile(model.coarse_logits)  # type: ignore[method-assign]
    return _ready(Predictor(model, "cpu", InferenceOptions(precision=precision)), size)


def onnx_builder(path: Path, size: Size) -> Call:
    """A frame through ONNX Runtime."""
    return _ready(Predictor(load_onnx(path), "cpu"), size)


def file_builder(path: Path, size: Size) -> Call:
    """A frame through OpenVINO or LiteRT."""
    compute = (openvino_compute if path.suffix == ".xml" else tflite_compute)(path)
    return _ready(Predictor(graph_network(compute, describe(False, size), path), "cpu"), size)


def _ready(predict: Predictor, size: Size) -> Call:
    predict(picture(size))
    return partial(predict, picture(size))


def builders_of(backbone: str, ibn: str, size: Size, folder: Path, compiled: bool) -> dict[str, Builder]:
    """Name -> builder, PyTorch in float32 first."""
    ways: dict[str, Builder] = {
        "PyTorch float32": partial(torch_builder, backbone, ibn, size, "float32", False),
        "PyTorch bfloat16": partial(torch_builder, backbone, ibn, size, "bfloat16", False),
    }
    if compiled:
        name = "PyTorch float32, torch.compile"
        ways[name] = partial(torch_builder, backbone, ibn, size, "float32", True)
    for name, file in (
        ("ONNX Runtime float32", "logits"),
        ("ONNX Runtime float32, --labels", "labels"),
        ("ONNX Runtime int8", "int8"),
    ):
        ways[name] = partial(onnx_builder, folder / f"{ibn}_{file}.onnx", size)
    for name, package, suffix in (("OpenVINO", "openvino", ".xml"), ("LiteRT", "litert_torch", ".tflite")):
        if is_there(package):
            ways[f"{name} float32"] = partial(file_builder, folder / f"{ibn}_logits{suffix}", size)
    words = "no IBN" if ibn == "none" else f"IBN-{ibn}"
    return {f"{name}, {words}": builder for name, builder in ways.items()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time one frame in PyTorch and ONNX Runtime.", pairs=7)
    parser.add_argument("--backbone", default="resnet50", help="default resnet50")
    parser.add_argument("--ibn", nargs="+", default=("none", "a"), help="default none a")
    parser.add_argument("--input", type=int, nargs=2, default=(384, 768), metavar=("H", "W"))
    parser.add_argument("--compile", action="store_true", help="time torch.compile too")
    options = parser.parse_args(argv)
    backbone = "resnet18" if options.quick else options.backbone
    variants = ("none",) if options.quick else tuple(options.ibn)
    size = (64, 128) if options.quick else tuple(options.input)
    with tempfile.TemporaryDirectory() as folder:
        builders, comparisons = {}, []
        for ibn in variants:
            arguments = (Path(folder), backbone, ibn, size)
            writer = multiprocessing.get_context("spawn").Process(target=write_files, args=arguments)
            writer.start()
            writer.join()
            if writer.exitcode:
                raise SystemExit("the network could not be exported")
            ways = builders_of(backbone, ibn, size, Path(folder), options.compile)
            first, *others = ways
            builders |= ways
            comparisons += [(name, first) for name in others]
        benchmark = Benchmark(
            title="A frame to its label map on a CPU",
            builders=builders,
            comparisons=comparisons,
            conditions=f"{backbone} DeepLabV3+ at output stride 16, {CLASSES} classes, one frame of {{}}x{{}}".format(
                *size
            ),
            packages=(
                "onnx",
                "onnxruntime",
                "onnxscript",
                *(["openvino"] if is_there("openvino") else []),
                *(["litert-torch", "ai-edge-litert"] if is_there("litert_torch") else []),
            ),
        )
        run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
