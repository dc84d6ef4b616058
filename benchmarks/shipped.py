#!/usr/bin/env python
"""A frame of a shipped network in ONNX Runtime, beside small networks that one might take instead.

Ours goes from the uint8 frame to the uint8 label map, with the resizing that `segibn predict` does;
of the others only the graph is timed, with logits drawn up to the frame and the best class inside.
Random weights serve for the others, which changes no time. LRASPP comes from torchvision,
SegFormer-B0 from transformers where that is installed; others come as files:

    python benchmarks/shipped.py --onnx YOLO26n-sem=yolo26n-sem.onnx
"""

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.timing import Benchmark, Builder, Call, make_parser, run
from painted_scenes.render import render_frame
from segibn.builders.checkpoints import load_segmenter
from segibn.config.shipped import DEFAULT_MODEL, shipped_networks
from segibn.export.exported import load_onnx
from segibn.export.quantize import export_int8
from segibn.export.writing import export
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor
from segibn.runs.export import describe_network

CLASSES = 19
Size = tuple[int, int]


def picture(size: Size, number: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: a synthetic frame."""
    return render_frame(0, "camera", "val", number, size).image


class LabelMap(nn.Module):
    """A network of other people whose graph ends in a label map of the frame's size."""

    def __init__(self, network: nn.Module, key: str) -> None:
        super().__init__()
        self.network, self.key = network, key
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float32 -> (N, H, W) uint8."""
        found = self.network(image)
        logits = found[self.key] if isinstance(found, dict) else getattr(found, self.key)
        if logits.shape[2:] != image.shape[2:]:
            logits = F.interpolate(logits, image.shape[2:], mode="bilinear")
        return logits.argmax(1).to(torch.uint8)


def rivals() -> dict[str, nn.Module]:
    """Name -> network with random weights; SegFormer only where transformers is."""
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    plain = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES)
    found: dict[str, nn.Module] = {"LRASPP-MobileNetV3 (torchvision)": LabelMap(plain, "out")}
    try:
        from transformers import SegformerConfig, SegformerForSemanticSegmentation
    except ImportError:
        print("left out: SegFormer-B0, for want of transformers")
    else:
        network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=CLASSES))
        found["SegFormer-B0 (transformers)"] = LabelMap(network, "logits")
    return found


def ours(checkpoint: Path, folder: Path, size: Size) -> dict[str, Builder]:
    """Name -> builder of the shipped network in eight bits and in float32, and at full size."""
    segmenter, config, meta = load_segmenter(checkpoint)
    description = describe_network(config, meta)
    exact, eight = folder / "float32.onnx", folder / "int8.onnx"
    export(segmenter, exact, description)
    export_int8(segmenter, eight, description, [picture(size, number) for number in range(4)])
    seen, name = InferenceOptions.as_scored(description), checkpoint.stem
    at = "{}x{}".format(*seen.size_for(size))
    return {
        f"{name} int8, seen at {at}": partial(frame_call, eight, seen, size),
        f"{name} float32, seen at {at}": partial(frame_call, exact, seen, size),
        f"{name} int8, seen at {size[0]}x{size[1]}": partial(frame_call, eight, InferenceOptions(), size),
    }


def frame_call(path: Path, options: InferenceOptions, size: Size) -> Call:
    """A frame through an exported file of ours."""
    predict = Predictor(load_onnx(path), "cpu", options)
    return partial(predict, picture(size))


def graph_call(path: Path, size: Size) -> Call:
    """A frame through a graph of others, which takes (1, 3, H, W) float32."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (taken, *_) = session.get_inputs()
    image = picture(size).transpose(2, 0, 1)[None].astype(np.float32) / 255
    return partial(session.run, None, {taken.name: image})


def write_graph(network: nn.Module, path: Path, size: Size) -> Path:
    """Write a network of others as ONNX for frames of one size, which runtimes like best."""
    image = torch.zeros(1, 3, *size)
    more: dict[str, Any] = {"opset_version": 18, "dynamo": True, "verbose": False}
    torch.onnx.export(network, (image,), str(path), external_data=False, **more)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time a frame of a shipped network beside other small networks.", pairs=9)
    parser.add_argument("--network", default=DEFAULT_MODEL, choices=sorted(shipped_networks()))
    parser.add_argument("--input", type=int, nargs=2, default=(512, 1024), metavar=("H", "W"))
    about = "a graph of others for frames of this size"
    parser.add_argument("--onnx", nargs="+", default=[], metavar="NAME=FILE", help=about)
    options = parser.parse_args(argv)
    size: Size = (64, 128) if options.quick else tuple(options.input)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        graphs = {
            name: write_graph(network, folder / f"{number}.onnx", size)
            for number, (name, network) in enumerate(rivals().items())
        }
        for given in options.onnx:
            name, _, path = given.partition("=")
            graphs[name] = Path(path)
        mine = ours(shipped_networks()[options.network], folder, size)
        theirs = {name: partial(graph_call, path, size) for name, path in graphs.items()}
        benchmark = Benchmark(
            title="A frame of a shipped network in ONNX Runtime",
            builders=mine | theirs,
            comparisons=[(name, other) for name in mine for other in theirs],
            conditions="one frame of {}x{}, {} classes".format(*size, CLASSES),
            packages=("onnx", "onnxruntime"),
        )
        run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
