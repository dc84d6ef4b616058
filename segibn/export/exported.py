"""A file of ``segibn export`` as a network for a ``Predictor``; and its `Description`.

Legend: N images, K classes, H x W pixels, h x w of the network's own logits.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segibn.description import KEY, Description, parse_description
from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.extras import require
from segibn.models.kernels.resize import resize_image
from segibn.text import read_small_file

MAX_BYTES = 2**31 - 1
"""Of an ONNX file: a protocol buffer holds no more."""


Compute = Callable[[np.ndarray], np.ndarray]
"""A graph as a function: what its `Description` calls ``input`` -> ``output``, any number of frames."""


class GraphNetwork(nn.Module):
    """Runs an exported graph on the CPU; a ``Network`` of ``segibn.inference``."""

    precisions = ("float32",)

    def __init__(self, compute: Compute, description: Description, path: Path) -> None:
        super().__init__()
        self._compute, self._path = compute, path
        self.description = description
        self.num_classes = len(description.class_names)
        self.align_corners = description.align_corners

    def to(self, device: torch.device | str = "cpu", **_: Any) -> "GraphNetwork":
        """Stay where it is; ConfigError where the device is not the CPU."""
        if torch.device(device).type != "cpu":
            raise ConfigError(f"{self._path} runs on the cpu; load the run or checkpoint to use {device}")
        return self

    def normalize(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 or float32 -> float32 in 0..255: the graph does the rest itself."""
        return images.to(torch.float32)

    def coarse_logits(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float32 in 0..255 -> (N, K, h, w) logits."""
        return self._run(image)

    def _run(self, image: Tensor) -> Tensor:
        pixels = image.contiguous().numpy()
        try:
            found = self._compute(pixels)
        except Exception as error:  # the exceptions of runtimes share no base
            if "allocat" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise SegibnError(
                f"the exported graph refuses images of {pixels.shape}: {error}; export it again, "
                "or show frames at another size (--input-size)"
            ) from error
        return torch.from_numpy(found)


class GraphLabels(GraphNetwork):
    """A graph that gives label maps, of ``segibn export --labels``."""

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Raise ConfigError: there are none."""
        raise ConfigError(
            "this graph gives label maps, no probabilities: scales, --flip, windows, averages "
            "and confidence need one that was exported without --labels"
        )

    def label_maps(self, images: Tensor, input_size: tuple[int, int]) -> Tensor:
        """(N, 3, H, W) uint8 RGB, seen at a size -> (N, h, w) uint8."""
        image = resize_image(images, input_size)
        pixels = images if image.shape == images.shape else image.round().clamp(0, 255)
        return self._run(pixels.to(torch.uint8).permute(0, 2, 3, 1))


def graph_network(compute: Compute, description: Description, path: Path) -> GraphNetwork:
    """Return a graph as a network that gives logits, or label maps alone."""
    return (GraphLabels if description.output.name == "labels" else GraphNetwork)(compute, description, path)


def load_onnx(path: str | Path) -> GraphNetwork:
    """Open an ONNX file for prediction on the CPU; CheckpointError unless it is one of ours."""
    path = Path(path)
    content, metadata = read_onnx(path)
    if KEY not in metadata:
        raise CheckpointError(
            f"{path} does not say what its classes are: it was not written by segibn export, or "
            f"by an early version. It lacks the metadata `{KEY}` with class names, colours and "
            "input; export it again from its run or checkpoint"
        )
    description = parse_description(metadata[KEY], str(path))
    session = open_session(content, path)
    _check_graph(session, description, path)
    return graph_network(_computed(session), description, path)


def _computed(session: Any) -> Compute:
    """Ask of several outputs for the network's own logits alone: only those are computed."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    names = [output.name for output in session.get_outputs()]
    wanted = "coarse_logits" if "coarse_logits" in names else names[0]
    return lambda pixels: session.run([wanted], {"image": pixels}, options)[0]


def read_onnx(path: Path) -> tuple[bytes, dict[str, str]]:
    """Read the content and the metadata of an ONNX file, whole and with all tensors inside.

    It may not refer to other files, which a runtime would open wherever the content says.
    """
    content = read_small_file(path, MAX_BYTES, CheckpointError)
    require("export", "onnx", "onnxruntime", purpose=f"{path}: an ONNX file")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.HasField("graph"):
        raise CheckpointError(f"{path} is cut short or no ONNX file; get it or export it again")
    if any(t.data_location or t.external_data for t in _parts(model, onnx.TensorProto)):
        raise CheckpointError(
            f"{path} keeps tensors in other files, which is not followed; save it as one file: "
            "onnx.save(onnx.load(PATH), OUTPUT)"
        )
    return content, {entry.key: entry.value for entry in model.metadata_props}


def _parts(message: Any, kind: type) -> Iterator[Any]:
    """Yield every message of a kind inside another, subgraphs and functions included."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if isinstance(part, kind):
                yield part
            else:
                yield from _parts(part, kind)


def open_session(content: bytes, path: Path) -> Any:
    """Let ONNX Runtime open a file's content, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch needs the cores too
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise CheckpointError(
            f"{path} is damaged, or newer than the ONNX Runtime here ({str(error).splitlines()[0][:200]}); "
            "export it again, or pip install --upgrade onnxruntime"
        ) from error


def _check_graph(session: Any, description: Description, path: Path) -> None:
    """Raise CheckpointError unless a graph takes and gives what its description says."""
    classes = len(description.class_names)
    kinds = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}
    given, gives = session.get_inputs(), session.get_outputs()
    if len(given) != 1 or not gives:
        raise CheckpointError(
            f"{path}: {len(given)} inputs and {len(gives)} outputs; a graph of segibn export takes one image"
        )
    for node, port in ((given[0], description.input), (gives[0], description.output)):
        is_fit = (node.name, node.type, len(node.shape)) == (port.name, kinds.get(port.dtype), len(port.layout))
        if is_fit and "C" in port.layout:
            channels = node.shape[port.layout.index("C")]
            is_fit = not isinstance(channels, int) or channels == (classes if port.name == "logits" else 3)
        if not is_fit:
            raise CheckpointError(
                f"{path}: its {node.name} is {node.type} {node.shape}, its description says "
                f"{port.name}, {port.dtype} {port.layout}, with {classes} classes; export it again"
            )
