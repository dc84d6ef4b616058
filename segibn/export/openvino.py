"""OpenVINO's files (.xml with its .bin): converted from the ONNX graph by its own tools, and checked again."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor

from segibn.description import KEY, Description
from segibn.export.exported import Compute
from segibn.export.writing import ExportGraph, check, export
from segibn.extras import require
from segibn.files.writing import atomic_path
from segibn.models.segmenter import Segmenter

PRECISION = "INFERENCE_PRECISION_HINT"


def export_openvino(
    segmenter: Segmenter, path: Path, description: Description | None, *, labels: bool = False
) -> float:
    """Write ``path`` (.xml) and its .bin beside it -> the largest difference of a logit, as `check`.

    Both are whole or absent. SegibnError: the converted graph differs from the network.
    """
    require("openvino", "openvino", purpose="OpenVINO export", instead="write an .onnx file")
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.onnx"
        export(segmenter, graph, description, labels=labels)
        model = openvino.convert_model(graph)
        if description is not None:
            model.set_rt_info(description.to_json(), KEY)
        openvino.save_model(model, Path(folder) / "model.xml", compress_to_fp16=False)
        compute = openvino_compute(Path(folder) / "model.xml")

        def run(image: Tensor) -> Tensor:
            return torch.from_numpy(compute(image.numpy()))

        own = ExportGraph(segmenter, labels=labels)
        difference = check(lambda image: own.logits(image)[0], run, str(path), labels)
        with atomic_path(path.with_suffix(".bin")) as weights:
            weights.write_bytes((Path(folder) / "model.bin").read_bytes())
        with atomic_path(path) as text:
            text.write_bytes((Path(folder) / "model.xml").read_bytes())
    return difference


def openvino_compute(path: Path) -> Compute:
    """Let OpenVINO's CPU plugin run an .xml file that this process wrote, in float32."""
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {PRECISION: "f32"})
    return lambda frames: compiled([frames])[0].copy()
