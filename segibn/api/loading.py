"""Names, folders and files -> networks that can predict."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch

from segibn.api.model import LoadedModel
from segibn.builders.checkpoints import load_segmenter
from segibn.builders.models import build_segmenter
from segibn.builders.sets import build_label_set
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.devices import default_device, device_named
from segibn.errors import ConfigError, SegibnError
from segibn.export.exported import load_onnx
from segibn.inference.predictor import InferenceOptions, Predictor
from segibn.labels.catalog import scheme_label_set, scheme_of
from segibn.labels.label_set import LabelSet
from segibn.models.segmenter import Segmenter
from segibn.models.weights.download import local_path
from segibn.models.weights.pretrained import find_published
from segibn.models.weights.sources import RELEASES
from segibn.runs.find import find_checkpoint

Device = torch.device | str | None


def load(
    source: str | Path, device: Device = None, options: InferenceOptions | None = None
) -> LoadedModel:
    """Load a trained network for prediction.

    Args:
        source: a run folder, a checkpoint (.pt, or .safetensors of ``segibn convert``), an
            exported graph (.onnx), or the name of a run below ./runs or the folders of
            SEGIBN_RUNS, such as "gta5_ibn"; ``list_models`` lists them.
        device: where to compute; None = the GPU if there is one.
        options: how frames reach the network; None = whole, at the size the run was scored at.

    Raises:
        CheckpointError: no such run or file, or not a segibn checkpoint; the message says what
            there is.
    """
    checkpoint = find_checkpoint(source)
    if checkpoint.suffix == ".onnx":
        return _load_graph(checkpoint, device, options)
    segmenter, config, meta = load_segmenter(checkpoint)
    return LoadedModel(
        Predictor(segmenter, _device(device), options or _options(config)),
        tuple(meta["class_names"]),
        np.array(meta["palette"], dtype=np.uint8),
        int(meta["iteration"]),
        config,
        str(checkpoint),
    )


def _load_graph(path: Path, device: Device, options: InferenceOptions | None) -> LoadedModel:
    """Load an exported graph; ONNX Runtime computes it on the CPU."""
    if device is not None and not str(device).startswith("cpu"):
        raise ConfigError(f"{path} runs on the cpu; load the run or checkpoint to use {device}")
    graph = load_onnx(path)
    options = options or InferenceOptions(
        input_size=graph.input_size, input_height=graph.input_height
    )
    predictor = Predictor(cast(list[Segmenter], [graph.network]), "cpu", options)
    trained = graph.description.iteration
    return LoadedModel(predictor, graph.class_names, graph.palette, trained, source=str(path))


def build(
    config: str | Path,
    overrides: Sequence[str] = (),
    *,
    weights: str | None = None,
    device: Device = None,
) -> LoadedModel:
    """Build the untrained network of a config, with its classes.

    Args:
        config: name of a shipped config, such as "gta5_ibn", or the path of a YAML file.
        overrides: values to replace, such as ["model.backbone.ibn=b"].
        weights: what the backbone starts from: "none", "ibn_net", "torchvision", "timm"
            (downloaded if need be) or a file; None = what the config says if that is on this
            machine already, else random values and a warning.
        device: where to compute; None = the GPU if there is one.

    Returns:
        The network is its ``module``, in evaluation mode; its heads are random.

    Raises:
        ConfigError: no such config, or not a valid one.
        CheckpointError: the weights cannot be had.
    """
    run = load_config(config, overrides)
    weights = _weights_at_hand(run) if weights is None else weights
    architecture = run.model.model_copy(update={"weights": weights})
    classes = _classes_of(run)
    segmenter = build_segmenter(architecture, classes.num_classes)
    predictor = Predictor(segmenter, _device(device), _options(run))
    run = run.model_copy(update={"model": architecture})
    return LoadedModel(predictor, classes.class_names, classes.palette.copy(), 0, run, run.name)


def _weights_at_hand(run: RunConfig) -> str:
    """The config's weights if nothing has to be downloaded for them, else "none" and a warning."""
    wanted, backbone = run.model.weights, run.model.backbone
    if wanted == "timm":  # whose cache has no interface to ask
        warnings.warn(
            f"{run.name} starts from timm's weights of {backbone.network}; its backbone is random. "
            "weights='timm' gets them, weights='none' says that this is meant",
            stacklevel=3,
        )
        return "none"
    if wanted not in RELEASES:
        return wanted
    published = find_published(wanted, backbone.name, backbone.ibn)
    if local_path(published).is_file():
        return wanted
    warnings.warn(
        f"{run.name} starts from {published.file_name}, which is not at {local_path(published)}; "
        f"its backbone is random. weights='{wanted}' downloads it, weights='none' says that this "
        "is meant",
        stacklevel=3,
    )
    return "none"


def _classes_of(run: RunConfig) -> LabelSet:
    """The classes that a training by this config would have."""
    train, classes = run.data.train, run.data.classes
    try:
        return build_label_set(train, classes)
    except SegibnError:  # what the files hold decides how they are read, not which classes
        return scheme_label_set(scheme_of(train.name, classes))


def _options(config: RunConfig) -> InferenceOptions:
    scored = config.evaluation
    return InferenceOptions(input_size=scored.input_size, input_height=scored.input_height)


def _device(device: Device) -> torch.device:
    if isinstance(device, str):
        return device_named(device, "device ")
    return device or default_device()
