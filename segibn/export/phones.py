"""Files for phones: .tflite by LiteRT's converter, .mlpackage by coremltools; one frame, of one size.

Both converters take the graph that `torch.export` captures at that size.
"""

import json
import logging
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from segibn.description import KEY, Description
from segibn.errors import SegibnError
from segibn.export.exported import Compute
from segibn.export.folding import fold_batch_channels
from segibn.export.writing import TOLERANCE, ExportGraph, check
from segibn.extras import require
from segibn.files.writing import atomic_files, atomic_path
from segibn.models.segmenter import Segmenter
from segibn.text import printable
from segibn.text.streams import silenced

HALF_TOLERANCE = 2e-2
"""As `TOLERANCE`, of a graph that computes in float16."""


class _PhoneGraph(nn.Module):
    """`ExportGraph` that names its output, of frames (1, 3, H, W) in 0..255: Core ML hands images over so."""

    def __init__(self, graph: ExportGraph, name: str, from_image: bool) -> None:
        super().__init__()
        # Not `graph`, as which modules that torch.export makes have their own.
        self.whole, self.name, self.from_image = graph, name, from_image

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        if self.from_image and self.whole.labels:
            return {self.name: self.whole.logits(image)[0].argmax(dim=1).int()}
        return {self.name: self.whole(image)}


def export_tflite(segmenter: Segmenter, path: Path, description: Description, *, labels: bool = False) -> float:
    """Write a .tflite file of frames of ``description.input_size`` -> the largest difference of a logit, as `check`.

    It ends with a zip archive of ``segibn.json`` and ``labels.txt``, as metadata of such files does: ``unzip`` shows
    them. SegibnError: the file differs from the network, and is not written.
    """
    require("tflite", "litert_torch", "ai_edge_litert", purpose="TFLite export", instead="write an .onnx file")
    graph, example = _graph_at(segmenter, description, labels)
    with atomic_path(path) as temporary:
        temporary.touch()  # an error before a minute of work
        with _converting("LiteRT's converter", path):
            import litert_torch

            program = _capture(_PhoneGraph(graph, description.output.name, False), example)
            litert_torch.convert(_without_expand(program), sample_kwargs={"image": example}).export(str(temporary))
        with zipfile.ZipFile(temporary, "a") as notes:
            notes.writestr(f"{KEY}.json", description.to_json())
            notes.writestr("labels.txt", "".join(f"{name}\n" for name in description.class_names))
        return _check(graph, tflite_compute(temporary), path, description)


def tflite_compute(path: Path) -> Compute:
    """Let LiteRT run a .tflite file that this process wrote, frame by frame."""
    with silenced(1, 2):  # XNNPACK greets
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
    run = interpreter.get_signature_runner()
    (output,) = run.get_output_details()
    return lambda frames: np.concatenate([run(image=frame[None])[output] for frame in frames])


def export_coreml(
    segmenter: Segmenter, path: Path, description: Description, *, labels: bool = False, half: bool = False
) -> float | None:
    """Write an .mlpackage folder of frames of ``description.input_size`` -> as `export_tflite`, on macOS; else None.

    Labels come of an RGB image, as int32. Xcode shows classes and colours from its metadata. ``half``: computed in
    float16, as the Neural Engine does, within `HALF_TOLERANCE`.
    """
    require("coreml", "coremltools", purpose="Core ML export", instead="write an .onnx file")
    graph, example = _graph_at(segmenter, description, labels)
    image = example.permute(0, 3, 1, 2).float().contiguous() if labels else example
    with _converting("coremltools", path):
        import coremltools

        program = _capture(_PhoneGraph(graph, description.output.name, True), image)
        taken = coremltools.TensorType(name="image", shape=image.shape)
        if labels:
            taken = coremltools.ImageType(name="image", shape=image.shape, color_layout=coremltools.colorlayout.RGB)
        model = coremltools.convert(
            program.run_decompositions({}),
            inputs=[taken],
            outputs=[coremltools.TensorType(name=description.output.name)],
            compute_precision=coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32,
            minimum_deployment_target=coremltools.target.iOS16,
        )
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in description.palette]
    shown = {"labels": list(description.class_names), "colors": colors}
    model.user_defined_metadata[KEY] = description.to_json()
    model.user_defined_metadata["com.apple.coreml.model.preview.type"] = "imageSegmenter"
    model.user_defined_metadata["com.apple.coreml.model.preview.params"] = json.dumps(shown)
    with atomic_files(path) as temporary:
        model.save(str(temporary))
        (temporary / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)  # of no use here
        if sys.platform != "darwin":  # where alone Core ML runs
            return None
        return _check(graph, coreml_compute(temporary), path, description, HALF_TOLERANCE if half else TOLERANCE)


def coreml_compute(path: Path) -> Compute:
    """Let Core ML run an .mlpackage that this process wrote, frame by frame; macOS alone can."""
    import coremltools
    from PIL import Image

    model = coremltools.models.MLModel(str(path))
    of_images = model.get_spec().description.input[0].type.WhichOneof("Type") == "imageType"
    (output,) = model.output_description

    def compute(frames: np.ndarray) -> np.ndarray:
        given = [Image.fromarray(frame) if of_images else frame[None] for frame in frames]
        return np.concatenate([model.predict({"image": one})[output] for one in given])

    return compute


@contextmanager
def _converting(what: str, path: Path) -> Iterator[None]:
    """Keep a converter's own lines and handlers of logging away; SegibnError: it fails."""
    handlers = logging.root.handlers[:]
    try:
        with silenced(1, 2), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # each converter has its own
        raise SegibnError(
            f"{path}: {what} cannot take this network ({printable(str(error))[:300]}); nothing was written. "
            "Write an .onnx file"
        ) from error
    finally:
        logging.root.handlers[:] = handlers


def _graph_at(segmenter: Segmenter, description: Description, labels: bool) -> tuple[ExportGraph, Tensor]:
    """Return what is captured, and a frame of its size as it takes them."""
    assert description.input_size is not None
    segmenter = segmenter.to("cpu", memory_format=torch.contiguous_format).eval()
    frame = torch.zeros((1, *description.input_size, 3), dtype=torch.uint8)
    example = frame if labels else frame.permute(0, 3, 1, 2).float().contiguous()
    return ExportGraph(fold_batch_channels(segmenter), labels=labels).eval(), example


def _capture(graph: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    with torch.no_grad():
        return torch.export.export(graph.eval(), (), {"image": example})


def _without_expand(program: torch.export.ExportedProgram) -> nn.Module:
    """Spread by adding zeros instead: LiteRT's change of layout gets the sizes of an expansion wrong."""
    module = program.module()
    for node in list(module.graph.nodes):
        if node.target is torch.ops.aten.expand.default:
            with module.graph.inserting_before(node):
                zeros = module.graph.call_function(torch.ops.aten.full.default, (list(node.meta["val"].shape), 0.0))
                spread = module.graph.call_function(torch.ops.aten.add.Tensor, (node.args[0], zeros))
            node.replace_all_uses_with(spread)
            module.graph.erase_node(node)
    module.recompile()
    return module


def _check(
    graph: ExportGraph, compute: Compute, path: Path, description: Description, tolerance: float = TOLERANCE
) -> float:
    assert description.input_size is not None
    own = ExportGraph(graph.segmenter)
    return check(
        own,
        lambda image: torch.from_numpy(compute(image.numpy())),
        str(path),
        graph.labels,
        sizes=((1, *description.input_size),),
        tolerance=tolerance,
    )
