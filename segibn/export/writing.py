"""Networks become files, checked against them: .pt2 by torch.export, .onnx by way of it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segibn.description import KEY, Description
from segibn.errors import ConfigError, SegibnError
from segibn.export.exported import MAX_BYTES, Compute, open_session
from segibn.export.folding import fold_batch_channels
from segibn.extras import require
from segibn.files.writing import atomic_path
from segibn.models.layers import upsample
from segibn.models.segmenter import Segmenter

SUFFIXES = (".pt2", ".onnx")
OPSET = 20
"""Of the ONNX operators: ONNX Runtime from 1.17 on has them."""

_FREE = ("batch", "height", "width")
# N is 2: torch.export takes a batch of 1 for a constant.
_EXAMPLE = (2, 3, 96, 160)

TOLERANCE = 1e-4
"""Largest allowed difference of a logit, relative to the largest logit (at least 1)."""

# N, H, W; odd sizes show a frozen shape, a larger frame a choice made by the example's size.
_SIZES = ((1, 96, 160), (3, 65, 129), (1, 257, 385))

Run = Callable[[Tensor], Tensor]
"""(N, 3, H, W) float32 in 0..255 -> logits, or (N, H, W, 3) uint8 -> label maps."""


class ExportGraph(nn.Module):
    """A network with what comes before and after it: frames in 0..255 to logits at frame size.

    ``coarse``: those of the network too; ``labels``: frames as decoders give them to maps.
    """

    def __init__(self, segmenter: Segmenter, *, labels: bool = False, coarse: bool = False) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.labels, self.coarse = labels, coarse

    def logits(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) RGB in 0..255 -> logits (N, K, H, W) and (N, K, h, w), float32."""
        coarse = self.segmenter.coarse_logits(self.segmenter.normalize(image)).float()
        size = (image.shape[-2], image.shape[-1])
        return upsample(coarse, size, align_corners=self.segmenter.align_corners), coarse

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 3, H, W) float32 -> logits; with ``labels`` (N, H, W, 3) -> (N, H, W), both uint8."""
        if self.labels:
            return self.logits(image.permute(0, 3, 1, 2).float())[0].argmax(dim=1).to(torch.uint8)
        logits, coarse = self.logits(image)
        return (logits, coarse) if self.coarse else logits

    def capture(self) -> torch.export.ExportedProgram:
        """Trace the graph; the number of frames, their height and their width stay free."""
        free, example = (0, 2, 3), torch.zeros(_EXAMPLE)
        if self.labels:
            free, example = (0, 1, 2), example.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        dynamic = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
        with torch.no_grad():
            return torch.export.export(self, (example,), dynamic_shapes=(dynamic,))


def export(segmenter: Segmenter, path: Path, description: Description | None = None, *, labels: bool = False) -> float:
    """Write a network as a .pt2 or .onnx file and `check` it -> what that returns.

    The network is moved to the CPU, in evaluation mode and contiguous layout, in place. Without a
    description it is a graph alone, which ``segibn predict`` refuses.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: a graph is a {' or '.join(SUFFIXES)} file")
    is_onnx = path.suffix == ".onnx"
    if is_onnx:
        require_onnx()
    write, load = (_write_onnx, load_graph) if is_onnx else (_write_pt2, _load_pt2)
    segmenter = segmenter.to("cpu", memory_format=torch.contiguous_format).eval()
    with atomic_path(path) as temporary:
        temporary.touch()  # an error before a minute of work
        write(ExportGraph(fold_batch_channels(segmenter), labels=labels, coarse=is_onnx), temporary, description)
        return check(ExportGraph(segmenter), load(temporary), str(path), labels)


def require_onnx() -> None:
    """ConfigError: a package is missing that writing ONNX files takes."""
    how = {"purpose": "ONNX export", "instead": "write a .pt2 file, which needs nothing"}
    require("export", "onnx", "onnxscript", "onnxruntime", **how)


def load_graph(path: Path) -> Run:
    """Return an ONNX file as a function of tensors, its first output that of ONNX Runtime."""
    session = open_session(path.read_bytes(), path)
    name = session.get_outputs()[0].name
    return lambda image: torch.from_numpy(session.run([name], {"image": image.numpy()})[0])


def save_onnx(model: Any, description: Description | None, path: Path) -> None:
    """Write a ``ModelProto`` as one file that describes itself, after ONNX's own check."""
    import onnx

    entries = {}
    if description is not None:
        entries = {KEY: description.to_json(), "class_names": ", ".join(description.class_names)}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, entries)
    if model.ByteSize() > MAX_BYTES:
        raise SegibnError(
            f"the network takes {model.ByteSize() / 2**30:.1f} GiB, an .onnx file holds 2; write "
            "a .pt2 or .safetensors file"
        )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _write_pt2(graph: ExportGraph, path: Path, description: Description | None) -> None:
    notes = {} if description is None else {f"{KEY}.json": description.to_json()}
    torch.export.save(graph.capture(), path, extra_files=notes)


def _load_pt2(path: Path) -> Run:
    return torch.export.load(path).module()


def pt2_compute(path: Path) -> Compute:
    """Let torch run a .pt2 file that this process wrote."""
    run = _load_pt2(path)
    return lambda frames: run(torch.from_numpy(frames)).numpy()


def _write_onnx(graph: ExportGraph, path: Path, description: Description | None) -> None:
    names = ["labels"] if graph.labels else ["logits", "coarse_logits"]
    program = torch.onnx.export(
        graph.capture(), input_names=["image"], output_names=names, opset_version=OPSET, dynamo=True, verbose=False
    )
    assert program is not None
    model = program.model_proto
    _name_sizes(model)
    save_onnx(model, description, path)


def _name_sizes(model: Any) -> None:
    """Call the free sizes batch, height and width, where the tracer calls them s40 or s6."""
    given = model.graph.input[0].type.tensor_type.shape.dim
    names = dict(zip(filter(None, (dim.dim_param for dim in given)), _FREE, strict=True))
    symbol = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
    values = (model.graph.input, model.graph.output, model.graph.value_info)
    for value in (value for group in values for value in group):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = symbol.sub(lambda match: names[match[0]], dim.dim_param)


@torch.inference_mode()
def check(
    network: Run,
    exported: Run,
    name: str,
    labels: bool = False,
    *,
    sizes: Sequence[tuple[int, int, int]] = _SIZES,
    tolerance: float = TOLERANCE,
) -> float:
    """Return the largest difference of a logit, relative to the largest one or 1.

    With ``labels`` the exported graph gives label maps, and the share of pixels with another class
    is returned, all of them near ties. ``sizes``: (N, H, W) of the frames. SegibnError for more than ``tolerance``.
    """
    worst, differing, pixels = 0.0, 0, 0
    for size in sizes:
        frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
        image = frames.permute(0, 3, 1, 2).float().contiguous()
        expected, found = network(image), _run(exported, frames if labels else image, name)
        require_finite(expected, f"{name}: the network")
        if labels:
            best, classes = expected.amax(1), found.long()[:, None].clamp(max=expected.shape[1] - 1)
            apart = best - expected.gather(1, classes)[:, 0]
            differing, pixels = differing + int((apart > 0).sum()), pixels + apart.numel()
        else:
            require_finite(found, f"{name}: the exported graph")
            apart = (found - expected).abs()
        worst = max(worst, float(apart.max()) / max(1.0, float(expected.abs().max())))
    if not worst <= tolerance:
        what = "gives other classes than the network" if labels else "differs from the network"
        raise SegibnError(
            f"{name}: the exported graph {what} (logits by {worst:.2e}, more than {tolerance:.0e}); not written"
        )
    return differing / pixels if labels else worst


def require_finite(logits: Tensor, what: str) -> None:
    """SegibnError: a logit is NaN or infinite, so that a comparison would say nothing."""
    if not bool(logits.isfinite().all()):
        raise SegibnError(f"{what} gives logits that are NaN or infinite; not written. Export another checkpoint")


def _run(exported: Run, image: Tensor, name: str) -> Tensor:
    try:
        return exported(image)
    except Exception as error:  # each runtime has its own
        raise SegibnError(
            f"{name}: the exported graph refuses a batch of {tuple(image.shape)} ({error}); not written"
        ) from error
