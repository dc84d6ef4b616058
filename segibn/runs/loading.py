"""Names, folders and files -> networks that can predict."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from segibn.adapters.other_models import load_outside
from segibn.builders.checkpoints import load_segmenter
from segibn.builders.models import build_segmenter
from segibn.builders.sets import build_label_set
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.datasets.catalog import scheme_label_set, scheme_of
from segibn.description import KEY
from segibn.devices import default_device, device_named
from segibn.errors import ConfigError, SegibnError
from segibn.export.exported import load_onnx, read_onnx
from segibn.inference.config import InferenceConfig
from segibn.inference.options import InferenceOptions
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.class_map import ClassMap
from segibn.labels.own_table import spread_colors
from segibn.models.weights.download import local_path
from segibn.models.weights.pretrained import find_published
from segibn.models.weights.sources import RELEASES
from segibn.runs.find import find_checkpoint
from segibn.runs.on_hub import find_on_hub
from segibn.runs.outside import CODE, GRAPH, NOTHING, Said, kind_of
from segibn.runs.trained import TrainedRun
from segibn.text import printable

Device = torch.device | str | None


def load(
    source: str | Path, device: Device = None, options: InferenceOptions | None = None, said: Said = NOTHING
) -> TrainedRun:
    """Load a trained network.

    Args:
        source: a run folder, a checkpoint (.pt, or .safetensors of ``segibn convert``), an
            graph (.onnx), or the name of a run below ./runs or the folders of SEGIBN_RUNS, such
            as "gta5_ibn"; ``list_models`` lists them. Networks of others: "hf:ID_OR_FOLDER" of
            transformers, "torchvision:NAME=WEIGHTS_FILE", "smp:FOLDER".
        device: where to compute; None = the GPU if there is one, for an exported graph the CPU.
        options: how frames reach the network; None = whole, at the size the run was scored at.
        said: class names and more that a network of others does not say itself.

    CheckpointError: no such run, or no checkpoint of segibn; the message says what there is.
    """
    run = load_any(source, said)
    if kind_of(run.source) == GRAPH:
        run.networks[0].to(device or "cpu")
        return run.to("cpu", options)
    return run.to(default_device() if device is None else device, options)


def load_any(source: str | Path, said: Said = NOTHING) -> TrainedRun:
    """Load a run, a checkpoint, a graph or a network of others, on the CPU."""
    table = None if said.class_map is None else ClassMap.read(said.class_map)
    kind = kind_of(source)
    if kind is None:
        return replace(load_checkpoint(source), class_map=table)
    if kind == GRAPH and KEY in read_onnx(path := find_checkpoint(source))[1]:
        network = load_onnx(path)
        about, size = network.description, InferenceOptions.as_scored(network.description)
        known = about.class_names, about.colors, about.iteration
        return TrainedRun((network,), *known, source=str(path), options=size, class_map=table)
    if kind == "hf" and (own := find_on_hub(str(source).partition(":")[2])) is not None:
        return replace(load_checkpoint(own), class_map=table)
    if kind == CODE and not said.allow_code:
        raise ConfigError(
            f"{printable(source)} is Python code, which can do anything: --allow-code runs it; or "
            "give a run, a file, hf:, torchvision: or smp:"
        )
    word = str(source) if kind in (GRAPH, CODE) else str(source).partition(":")[2]
    found = load_outside(kind, word, said.names(), said.pixels)
    # Cityscapes' colours for its classes, others unlike these
    known = {info.name: info.color for info in CITYSCAPES.classes if info.name in found.class_names}
    others = iter(spread_colors(len(found.class_names) - len(known), list(known.values())))
    palette = np.array([known.get(name) or next(others) for name in found.class_names], np.uint8)
    how = {"source": str(source) if kind == GRAPH else found.name, "options": InferenceOptions(**found.options)}
    return TrainedRun((found.network,), found.class_names, palette, files=found.files, class_map=table, **how)


def load_checkpoint(source: str | Path) -> TrainedRun:
    """Load a run or checkpoint as ``load``, but no exported graph, on the CPU."""
    path = find_checkpoint(source)
    segmenter, config, meta = load_segmenter(path)
    names, palette = tuple(meta["class_names"]), np.array(meta["palette"], dtype=np.uint8)
    options, iteration = InferenceOptions.as_scored(config.evaluation), int(meta["iteration"])
    known = names, palette, iteration, config, str(path), options
    return TrainedRun((segmenter,), *known, averaged=meta.get("averaged", ""))


def load_averaged(source: str | Path, inference: InferenceConfig, said: Said = NOTHING) -> TrainedRun:
    """Load a network and the runs averaged with it, each once, on the CPU; ConfigError: other classes or sizes."""
    first = load_any(source, said)
    paths = dict.fromkeys(find_checkpoint(path).resolve() for path in inference.ensemble)
    rest = tuple(load_checkpoint(p) for p in paths if p != first.checkpoint.resolve())
    for run in rest:
        if run.class_names != first.class_names:
            raise ConfigError(
                f"{run.checkpoint} and {first.checkpoint} know different classes; only networks "
                "of the same can be averaged"
            )
        if run.options != first.options and not inference.states_size:
            raise ConfigError(
                f"{run.checkpoint} was scored at another size than {first.checkpoint}; say at "
                "which to average them, such as --input-size 512x1024 or native"
            )
    return replace(first, networks=tuple(run.module for run in (first, *rest)), others=rest)


def build(
    config: str | Path, overrides: Sequence[str] = (), *, weights: str | None = None, device: Device = None
) -> TrainedRun:
    """Build the untrained network of a config, with its classes; its heads are random.

    Args:
        config: name of a shipped config, such as "gta5_ibn", or the path of a YAML file.
        overrides: values to replace, such as ["model.backbone.ibn=b"].
        weights: what the backbone starts from: "none", "ibn_net", "torchvision", "timm"
            (downloaded if need be) or a file; None = what the config says if that is on this
            machine already, else random values and a warning.

    ConfigError: no such config, or not a valid one. CheckpointError: the weights cannot be had.
    """
    run = load_config(config, overrides)
    weights = _weights_at_hand(run) if weights is None else weights
    run = run.model_copy(update={"model": run.model.model_copy(update={"weights": weights})})
    train, scheme = run.data.train, run.data.classes
    try:
        classes = build_label_set(train, scheme)
    except SegibnError:  # what the files hold decides how they are read, not which classes
        classes = scheme_label_set(scheme_of(train.name, scheme))
    segmenter, options = build_segmenter(run.model, classes.num_classes), InferenceOptions.as_scored(run.evaluation)
    built = TrainedRun((segmenter,), classes.class_names, classes.palette.copy(), 0, run, run.name, options)
    return built.to(default_device() if device is None else device)


def _weights_at_hand(run: RunConfig) -> str:
    """The config's weights if nothing has to be downloaded for them, else "none" and a warning."""
    wanted, backbone = run.model.weights, run.model.backbone
    if wanted == "timm":  # whose cache has no interface to ask
        where = f"timm's weights of {backbone.network}"
    elif wanted not in RELEASES:
        return wanted
    else:
        published = find_published(wanted, backbone.name, backbone.ibn)
        if local_path(published).is_file():
            return wanted
        where = f"{published.file_name}, which is not at {local_path(published)}"
    warnings.warn(
        f"{run.name} starts from {where}; its backbone is random. weights='{wanted}' gets them, "
        "weights='none' says that this is meant",
        stacklevel=3,
    )
    return "none"


def device_of(name: str | None) -> torch.device:
    """Return the device of the option ``--device``, or this rank's own."""
    return default_device() if name is None else device_named(name)
