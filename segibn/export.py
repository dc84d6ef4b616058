"""Export: a trained network as one graph for other runtimes, checked against the original.

In: a ``Segmenter``. Out: a ``.pt2`` file (torch.export) or an ``.onnx`` file. The graph takes
frames as they come from disk, (N, 3, H, W) float32 RGB in 0..255, of any size and number, and
returns logits (N, K, H, W); the normalisation is inside, so that nobody has to know its numbers.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segibn.errors import ConfigError, SegibnError
from segibn.files import atomic_path
from segibn.models.segmenter import Segmenter

FORMATS = {".pt2": "torch.export", ".onnx": "ONNX"}
TOLERANCE = 1e-4
"""Largest allowed difference of a logit, relative to the largest logit (at least 1)."""

_EXAMPLE = (2, 3, 96, 160)  # N is 2: torch.export takes a batch of 1 for a constant
# N, 3, H, W; odd sizes show a frozen shape, a larger frame a choice made by the example's size.
_CHECKS = ((1, 3, 96, 160), (3, 3, 65, 129), (1, 3, 257, 385))


class LogitsGraph(nn.Module):
    """What is exported: frames in 0..255 to logits at frame size."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB in 0..255 -> (N, K, H, W) float32 logits."""
        return self.segmenter(self.segmenter.normalize(image)).logits


def export(segmenter: Segmenter, path: Path) -> float:
    """Write a network as a graph and compare the file with the original.

    Args:
        segmenter: moved to the CPU, in evaluation mode and contiguous layout, in place.
        path: the suffix chooses the format: ``.pt2`` or ``.onnx``.

    Returns:
        The largest relative difference of a logit on frames of three sizes.

    Raises:
        ConfigError: another suffix, or ONNX without its packages.
        SegibnError: the file refuses frames or does not reproduce the network; nothing is left.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path}: export writes {' or '.join(FORMATS)} files")
    write, load = (_write_onnx, _load_onnx) if path.suffix == ".onnx" else (_write_pt2, _load_pt2)
    graph = LogitsGraph(segmenter.to("cpu", memory_format=torch.contiguous_format)).eval()
    with atomic_path(path) as temporary:
        write(graph, temporary)
        difference = _difference(graph, load(temporary), path)
        if not difference <= TOLERANCE:
            raise SegibnError(
                f"{path}: the exported graph differs from the network by {difference:.2e}, more "
                f"than {TOLERANCE:.0e}; not written"
            )
    return difference


def _program(graph: LogitsGraph) -> torch.export.ExportedProgram:
    dynamic = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(graph, (torch.zeros(_EXAMPLE),), dynamic_shapes=(dynamic,))


def _write_pt2(graph: LogitsGraph, path: Path) -> None:
    torch.export.save(_program(graph), path)


def _load_pt2(path: Path) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


def _write_onnx(graph: LogitsGraph, path: Path) -> None:
    _require("onnx", "onnxscript", "onnxruntime")
    program = torch.onnx.export(
        _program(graph),
        input_names=["image"],
        output_names=["logits"],
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)


def _load_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(session.run(None, {"image": image.numpy()})[0])


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"ONNX export needs {', '.join(missing)}: pip install 'segibn[export]' (in a "
            "checkout: pip install -e '.[export]'), or write a .pt2 file, which needs nothing"
        )


@torch.inference_mode()
def _difference(graph: LogitsGraph, exported: Callable[[Tensor], Tensor], path: Path) -> float:
    """Largest difference on random frames, relative to the largest logit or 1."""
    random = np.random.default_rng(0)
    worst = 0.0
    for shape in _CHECKS:
        image = torch.from_numpy(random.integers(0, 256, shape).astype(np.float32))
        expected = graph(image)
        try:
            found = exported(image)
        except Exception as error:  # each runtime has its own
            raise SegibnError(
                f"{path}: the exported graph refuses a batch of {shape} ({error}); not written"
            ) from error
        scale = max(1.0, float(expected.abs().max()))
        worst = max(worst, float((found - expected).abs().max()) / scale)
    return worst
