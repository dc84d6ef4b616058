"""Exported graphs predict: an ONNX file takes the place of a network in a ``Predictor``.

In: a file of ``segibn export``. Out: a module with the part of a ``Segmenter``'s interface that
prediction uses, so that sizes, scales, mirroring, windows and batches are those of every network.

Legend: N images, K classes, H x W pixels.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.files import read_json
from segibn.models.layers import upsample
from segibn.models.resize import resize_image
from segibn.models.upsample import banded_argmax

_NOTES = ("class_names", "palette", "input_size", "input_height")


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """An ONNX file and what it says of itself."""

    network: "OnnxNetwork"
    class_names: tuple[str, ...]
    palette: np.ndarray
    """(K, 3) uint8 RGB."""
    input_size: tuple[int, int] | None
    """(H, W) that frames were shown at when the network was scored; None = their own."""
    input_height: int | None
    """The same by height alone."""


class OnnxNetwork(nn.Module):
    """Runs an ONNX graph of (N, 3, H, W) float32 RGB in 0..255 -> logits (N, K, H, W).

    Attributes:
        num_classes: K.
        align_corners: how label maps are resized; False.
        pixel_mean: an empty place on the CPU, where tensors come from and go to.
    """

    def __init__(self, session: Any, num_classes: int) -> None:
        super().__init__()
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self.num_classes, self.align_corners = num_classes, False
        self.register_buffer("pixel_mean", torch.empty(0), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 -> float32 in 0..255: the graph does the rest itself."""
        return images.to(torch.float32)

    def coarse_logits(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float32 in 0..255 -> (N, K, H, W) logits.

        Raises:
            SegibnError: the runtime refuses images of this size.
        """
        pixels = image.cpu().contiguous().numpy()
        try:
            found = self._session.run([self._output], {self._input: pixels})[0]
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            if "allocat" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise SegibnError(
                f"the exported graph refuses images of {pixels.shape} (N, C, H, W): {error}; "
                "export it again, or show frames at another size (--input-size)"
            ) from error
        return torch.from_numpy(found).to(image.device)

    def resize(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """(N, K, h, w) -> (N, K, H, W)."""
        return upsample(logits, size, align_corners=False)

    def predict(self, images: Tensor, input_size: tuple[int, int] | None = None) -> Tensor:
        """(N, 3, H, W) uint8 RGB -> (N, H, W) uint8 train ids; see ``Segmenter.predict``."""
        image = self.normalize(images)
        if input_size is not None:
            image = resize_image(image, input_size)
        size = (images.shape[-2], images.shape[-1])
        return banded_argmax(self.coarse_logits(image), size, align_corners=False)


def load_onnx(path: str | Path) -> ExportedModel:
    """Open an ONNX file for prediction on the CPU.

    Class names, colours and the size of the input are read from the file's metadata (JSON values
    under the keys ``class_names``, ``palette``, ``input_size`` and ``input_height``), else from
    the .json file that ``segibn export`` writes beside it.

    Raises:
        CheckpointError: missing, damaged, no graph of ours, or nothing says what its classes are.
        ConfigError: ONNX Runtime is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            f"{path}: an ONNX file needs ONNX Runtime, pip install 'segibn[export]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise CheckpointError(
            f"{path} is cut short or no ONNX file ({str(error).splitlines()[0]}); export it again"
        ) from error
    notes = _notes_of(session, path)
    names = tuple(notes["class_names"])
    shape = session.get_outputs()[0].shape  # sizes that are free have names instead of numbers
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != len(names)):
        raise CheckpointError(
            f"{path}: its output is {shape}, expected logits (N, {len(names)}, H, W) for the "
            "classes that it names; export it again"
        )
    size = notes.get("input_size")
    return ExportedModel(
        OnnxNetwork(session, len(names)),
        names,
        np.array(notes["palette"], np.uint8).reshape(len(names), 3),
        None if size is None else (int(size[0]), int(size[1])),
        notes.get("input_height"),
    )


def _notes_of(session: Any, path: Path) -> dict[str, Any]:
    metadata = session.get_modelmeta().custom_metadata_map
    notes: dict[str, Any] = {}
    for key in _NOTES:
        if key in metadata:
            notes[key] = json.loads(metadata[key])
    beside = path.with_suffix(".json")
    if "class_names" not in notes and beside.is_file():
        notes = read_json(beside)
    if not {"class_names", "palette"} <= set(notes):
        raise CheckpointError(
            f"{path}: neither it nor {beside.name} beside it names its classes; keep the .json "
            "file of segibn export with it, or export it again"
        )
    return notes
