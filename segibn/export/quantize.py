"""Networks in eight bits: an ONNX graph whose convolutions compute with whole numbers.

Static quantisation by ONNX Runtime (nodes QuantizeLinear and DequantizeLinear): weights int8 with a
scale for each output channel, activations uint8 with a scale for each tensor, whose range is that
on the frames. Instance norms, resizes and sums of shapes stay float32.
"""

import logging
import tempfile
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segibn.description import Description
from segibn.errors import ConfigError, DatasetError, SegibnError
from segibn.export.writing import Run, export, load_graph, require_finite, require_onnx, save_onnx
from segibn.files.writing import atomic_path
from segibn.inference.options import InferenceOptions
from segibn.models.kernels.resize import resize_image
from segibn.models.segmenter import Segmenter

CALIBRATION_FRAMES = 32
"""How many frames the ranges are taken from, if there are more."""

# With additions, joins and pooling in eight bits too, numbers stay so from one convolution to the
# next. ReLU and ReLU6 (Clip) end in the range of the convolution before them, which is else far too wide.
_OPERATORS = ("Conv", "Add", "Concat", "MaxPool", "Relu", "Clip", "GlobalAveragePool")
_CHECKED_FRAMES = 4


def export_int8(
    segmenter: Segmenter, path: Path, description: Description, frames: Iterable[np.ndarray], *, labels: bool = False
) -> float:
    """Write a network as an ONNX graph in eight bits, as `export` does in float32.

    The first `CALIBRATION_FRAMES` of the frames, (H, W, 3) uint8 RGB like those it will see, are
    resized to the description's input size. -> the share of pixels of the first few that have the
    class of the float32 graph.
    """
    if path.suffix != ".onnx":
        raise ConfigError(f"{path}: int8 graphs are .onnx files")
    require_onnx()
    import onnx

    images = [_seen(frame, description, labels) for frame in islice(frames, CALIBRATION_FRAMES)]
    if not images:
        raise DatasetError("no frames to calibrate with: int8 needs to see some")
    described = description.model_copy(update={"precision": "int8"})
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory() as folder:
        temporary.touch()
        exact = Path(folder) / "float32.onnx"
        export(segmenter, exact, labels=labels)
        _quantize(exact, temporary, images)
        save_onnx(onnx.load(temporary), described, temporary)
        return _agreement(load_graph(exact), load_graph(temporary), images[:_CHECKED_FRAMES], path)


def _seen(frame: np.ndarray, description: Description, labels: bool) -> np.ndarray:
    """A frame as the graph takes it: (1, 3, H, W) float32, or (1, H, W, 3) uint8."""
    options = InferenceOptions.as_scored(description)
    image = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None]
    image = resize_image(image, options.size_for((frame.shape[0], frame.shape[1]))).float()
    if labels:
        image = image.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return image.contiguous().numpy()


def _quantize(source: Path, target: Path, images: Sequence[np.ndarray]) -> None:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    feeds = iter([{"image": image} for image in images])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(feeds, None)

    prepared = source.with_name("prepared.onnx")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # the quantiser's advice on the root logger
    try:
        # Folds batch norms into convolutions: what is quantised is what will be computed.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_OPERATORS),
            nodes_to_exclude=_sums_of_norms(prepared),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    finally:
        logging.disable(before)


def _sums_of_norms(path: Path) -> list[str]:
    """Return the additions inside of norms that take a share of the image: they stay float32.

    They add to a product, a mean or a difference, a residual sum to what convolutions gave.
    """
    import onnx

    nodes = onnx.load(path).graph.node
    made = {name: node.op_type for node in nodes for name in node.output}
    return [
        node.name
        for node in nodes
        if node.op_type == "Add" and {"Mul", "Sub", "ReduceMean"} & {made.get(name) for name in node.input}
    ]


def _agreement(exact: Run, found: Run, images: Sequence[np.ndarray], path: Path) -> float:
    same, pixels = 0, 0
    for image in map(torch.from_numpy, images):
        one, two = (_classes(run(image)) for run in (exact, found))
        same += int((one == two).sum())
        pixels += one.numel()
    share = same / pixels
    if share < 0.5:
        raise SegibnError(
            f"{path}: in eight bits {1 - share:.0%} of the pixels get another class than in "
            "float32; calibrate with frames like those that it will see. Not written"
        )
    return share


def _classes(result: Tensor) -> Tensor:
    if result.dim() == 4:
        require_finite(result, "the graph in eight bits")
    return result.argmax(1) if result.dim() == 4 else result
