"""Networks of torchvision, segmentation_models_pytorch, ONNX files and anybody's Python code."""

import ast
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segibn.adapters.hugging_face import load_hugging_face
from segibn.adapters.outside import PIXELS, Outside, OutsideNetwork, Pixels, plain_names, require_names
from segibn.errors import CheckpointError, ConfigError
from segibn.export.exported import open_session, read_onnx
from segibn.extras import require
from segibn.files.writing import read_json
from segibn.models.kernels.resize import resize_image
from segibn.models.weights.state import read_safetensors, read_torch_file
from segibn.models.weights.wrapping import find_network
from segibn.text import did_you_mean, printable


def load_torchvision(source: str, names: Sequence[str]) -> Outside:
    """Load ``NAME=FILE``, such as ``deeplabv3_resnet50=weights.pth``; CheckpointError: neither."""
    from torchvision import models

    name, _, file = source.partition("=")
    known = models.list_models(module=models.segmentation)
    if name not in known or not file:
        hint = "" if name in known else did_you_mean(name, known) or f": {', '.join(known)}"
        raise CheckpointError(f"torchvision:{printable(source)}: write torchvision:NAME=WEIGHTS_FILE{hint}")
    reads = read_safetensors if Path(file).suffix == ".safetensors" else read_torch_file
    light = name.startswith("lraspp")
    build = partial(models.get_model, name, weights=None, weights_backbone=None)
    keys = build(**({} if light else {"aux_loss": True})).state_dict()
    state = find_network(reads(Path(file)), keys, Path(file)).state
    last = "classifier.low_classifier.weight" if light else "classifier.4.weight"
    if last not in state:
        raise CheckpointError(f"{file} holds no {name}: it lacks {last}")
    count, has_aux = len(state[last]), any(key.startswith("aux_classifier.") for key in state)
    network = build(num_classes=count, **({} if light else {"aux_loss": has_aux}))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{file} holds no {name}: {printable(str(error)[:400])}") from error
    own = models.get_model_weights(name).DEFAULT.meta["categories"]  # of VOC
    names = require_names(count, names or (own if count == len(own) else ()), f"torchvision:{source}")

    def scores(module: nn.Module, image: Tensor) -> Tensor:  # its forward resizes: memory
        features = module.backbone(image)
        return module.classifier(features if light else features["out"])

    wrapped = OutsideNetwork(network, count, PIXELS["imagenet"], scores)
    return Outside(wrapped, plain_names(names, source), f"torchvision:{name}", (Path(file),), {})


def load_smp(source: str, names: Sequence[str], pixels: str | None) -> Outside:
    """Load a folder of ``save_pretrained``; CheckpointError: it is none, or has no safetensors."""
    require("bench", "segmentation_models_pytorch", purpose=f"smp:{source}")
    import segmentation_models_pytorch as smp

    folder, file = Path(source), Path(source) / "model.safetensors"
    if not (folder / "config.json").is_file() or not file.is_file():
        raise CheckpointError(
            f"smp:{printable(source)}: no folder with config.json and model.safetensors; "
            "model.save_pretrained(FOLDER) writes both"
        )
    try:
        network = smp.from_pretrained(folder, strict=True, encoder_weights=None)
    except Exception as error:  # arbitrary JSON fails in arbitrary ways
        raise CheckpointError(f"smp:{source}: {printable(str(error)[:400])}") from error
    said = read_json(folder / "config.json")
    count, encoder = int(said.get("classes", 1)), str(said.get("encoder_name"))
    names = require_names(count, names, f"smp:{source}")
    wrapped = OutsideNetwork(network, count, _pixels(pixels, f"smp:{source}"))
    return Outside(wrapped, plain_names(names, source), f"smp:{type(network).__name__} {encoder}", (file,), {})


def _pixels(word: str | None, source: str) -> Pixels:
    if word is None:
        raise ConfigError(f"{source} does not say what it wants of pixels: give --pixels {' | '.join(PIXELS)}")
    return PIXELS[word]


class _Graph(nn.Module):
    """An ONNX file of others on the CPU; a label network where it gives label maps."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session, (self.input,) = session, session.get_inputs()
        found = session.get_outputs()
        self.output = {output.name: output for output in found}.get("logits", found[0])

    def forward(self, image: Tensor) -> Tensor:
        kind = "float16" if self.input.type == "tensor(float16)" else "float32"
        pixels = {self.input.name: image.contiguous().numpy().astype(kind)}
        return torch.from_numpy(self._session.run([self.output.name], pixels)[0])


class OutsideLabels(OutsideNetwork):
    """A graph that gives label maps; see ``LabelNetwork``."""

    def coarse_logits(self, image: Tensor) -> Tensor:
        """Raise ConfigError: there are none."""
        raise ConfigError(
            "this graph gives label maps, no scores: scales, --flip, windows, averages and "
            "confidence need one that gives scores"
        )

    def label_maps(self, images: Tensor, input_size: tuple[int, int]) -> Tensor:
        """(N, 3, H, W) uint8 RGB, seen at a size -> (N, h, w) uint8."""
        found = self.module(self.normalize(resize_image(images, input_size)))
        found = found.reshape(len(images), *found.shape[-2:])
        if int(found.max()) >= self.num_classes or int(found.min()) < 0:
            raise CheckpointError(
                f"the graph gives values of {int(found.min())} to {int(found.max())}, but "
                f"{self.num_classes} classes are named"
            )
        return found.to(torch.uint8)


def load_graph_of_others(path: Path, names: Sequence[str], pixels: str | None) -> Outside:
    """Load an ONNX file that segibn did not write: one image in, logits or label maps out.

    Class names come from its metadata ``names`` (as ultralytics writes) or are given; so is what it
    wants of pixels, which no graph says, but for ultralytics' own (0..1).
    """
    content, metadata = read_onnx(path)
    session = open_session(content, path)
    if len(session.get_inputs()) != 1 or len(session.get_inputs()[0].shape) != 4:
        raise CheckpointError(f"{path}: a graph with one input, (N, 3, H, W), is needed")
    graph = _Graph(session)
    is_theirs = "Ultralytics" in metadata.get("author", "") or "stride" in metadata
    wanted = _pixels(pixels or ("0..1" if is_theirs else None), str(path))
    own = names or _names_in(metadata)
    gives_scores = "float" in graph.output.type
    if gives_scores:
        channels = graph.output.shape[1] if len(graph.output.shape) == 4 else None
        count = channels if isinstance(channels, int) else len(own)
        own = require_names(count, own, str(path))
    elif not own:
        raise ConfigError(f"{path} gives label maps without names: give --classes")
    kind = OutsideNetwork if gives_scores else OutsideLabels
    network = kind(graph, len(own), wanted, precisions=("float32",))
    sides = graph.input.shape[2:]
    options = {"input_size": tuple(sides)} if all(isinstance(side, int) for side in sides) else {}
    return Outside(network, plain_names(own, str(path)), f"onnx:{path.name}", (path,), options)


def _names_in(metadata: dict[str, str]) -> tuple[str, ...]:
    try:
        said = ast.literal_eval(metadata.get("names", "()"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(said, dict) and all(isinstance(key, int) for key in said):
        said = [said[key] for key in sorted(said)]
    return tuple(map(str, said)) if isinstance(said, list | tuple) else ()


def load_code(source: str, names: Sequence[str], pixels: str | None) -> Outside:
    """Call ``MODULE:FUNCTION`` of the user's, which returns a module: images to logits."""
    where, _, called = source.partition(":")
    sys.path.insert(0, "")
    try:
        network = getattr(importlib.import_module(where), called)()
    except (ImportError, AttributeError) as error:
        raise CheckpointError(f"{source}: {error}") from error
    finally:
        sys.path.remove("")
    if not isinstance(network, nn.Module):
        raise CheckpointError(f"{source} returns a {type(network).__name__}, no torch.nn.Module")
    own = names or getattr(network, "class_names", ())
    if not own:
        raise ConfigError(f"{source}: name its classes, --classes or an attribute class_names")
    file = Path(importlib.import_module(where).__file__ or "")
    wrapped = OutsideNetwork(network, len(own), PIXELS[pixels or "0..255"])
    return Outside(wrapped, plain_names(own, source), source, (file,), {})


def load_outside(kind: str, word: str, names: Sequence[str], pixels: str | None) -> Outside:
    """Load a network of others; CheckpointError, ConfigError: it cannot be had or understood.

    ``kind``: hf, hf-384, torchvision, smp, onnx or code; ``word``: behind its colon, or the file.
    """
    if kind in ("hf", "hf-384"):
        return load_hugging_face(word, squeezed=kind == "hf-384")
    if kind == "torchvision":
        return load_torchvision(word, names)
    if kind == "smp":
        return load_smp(word, names, pixels)
    if kind == "onnx":
        return load_graph_of_others(Path(word), names, pixels)
    return load_code(word, names, pixels)
