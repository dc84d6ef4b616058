"""Checkpoints into other formats: RobustNet's and mmsegmentation's to ours, RobustNet's back, safetensors."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from segibn.builders.checkpoints import load_segmenter
from segibn.builders.models import build_segmenter
from segibn.config.load import validate
from segibn.config.model import ModelConfig
from segibn.config.schema import RunConfig
from segibn.engine.checkpoint import ClassTable, flatten, save_checkpoint
from segibn.errors import CheckpointError
from segibn.files.writing import atomic_path
from segibn.labels.cityscapes import CITYSCAPES
from segibn.models.weights import mmseg, robustnet
from segibn.models.weights.state import compare_states, naming, read_torch_file, shortened
from segibn.runs.export import write_safetensors

_ORIGIN = "robustnet"
State = dict[str, Any]


def convert(
    source: Path,
    output: Path,
    *,
    output_stride: int | None = None,
    trained_on: str = "gta5",
    variant: robustnet.Variant | None = None,
) -> str:
    """Convert others' checkpoint to .pt, ours to .pth (RobustNet's) or .safetensors -> what.

    ``output_stride``: of the network; None = 8, or that of RobustNet's scripts. ``trained_on``: noted
    in the .pt file. ``variant``: of the .pth file; None = what it was converted from, else what it is.
    CheckpointError: another kind of file, or not a network that can be held; names the differences.
    """
    content = read_torch_file(source)
    theirs = robustnet.plain_state(content, source)
    plain = mmseg.plain_state(content, source) if theirs is None else None
    is_foreign = theirs is not None or plain is not None
    if is_foreign != (output.suffix == ".pt"):
        ours = f"a {content['format']}" if "format" in content else "no checkpoint of RobustNet or mmsegmentation"
        kind = f"a checkpoint of {'mmsegmentation' if theirs is None else 'RobustNet'}" if is_foreign else ours
        raise CheckpointError(
            f"{source} is {kind}; --output {output.name} does not follow from it. RobustNet and mmsegmentation "
            "become .pt, segibn becomes .pth (RobustNet) or .safetensors; a backbone's weights "
            "go into a config as they are, as model.weights"
        )
    if theirs is not None:
        return _from_robustnet(source, content, theirs, output, output_stride, trained_on)
    if plain is not None:
        return _from_mmseg(source, content, plain, output, output_stride or 8, trained_on)
    if output.suffix == ".pth":
        return _to_robustnet(source, output, variant)
    model, config, meta = load_segmenter(source)
    return f"{write_safetensors(output, model, config, meta)} tensors of {config.name}"


def _from_robustnet(source: Path, content: State, state: State, output: Path, stride: int | None, data: str) -> str:
    with naming(source):
        kind = robustnet.inspect(state)
        ours = robustnet.from_robustnet(state)
    kind = replace(kind, output_stride=stride or kind.output_stride)
    if kind.num_classes != CITYSCAPES.num_classes:
        raise CheckpointError(
            f"{source}: {kind.num_classes} classes; RobustNet's networks have the "
            f"{CITYSCAPES.num_classes} of Cityscapes, and what others mean is not known"
        )
    origin = {"format": _ORIGIN, "variant": kind.variant, "folded": robustnet.folded(state)}
    origin |= {key: content[key] for key in ("epoch", "mean_iu") if key in content}
    config = _run_config(output.stem, kind.model_config(), data)
    _save(source, output, config, ours, origin, f"RobustNet's {kind.backbone} ({kind.variant})")
    trained = f", epoch {origin['epoch']}" if "epoch" in origin else ""
    return f"{kind.backbone}, {kind.variant}{trained}, output stride {kind.output_stride}; {len(ours)} tensors"


def _from_mmseg(source: Path, content: State, state: State, output: Path, stride: int, data: str) -> str:
    count, names = len(state["decode_head.conv_seg.weight"]), mmseg.class_names(content)
    if count != CITYSCAPES.num_classes or (names or CITYSCAPES.class_names) != CITYSCAPES.class_names:
        raise CheckpointError(f"{source}: {count} classes, which are not the {CITYSCAPES.num_classes} of Cityscapes")
    with naming(source):
        config = _run_config(output.stem, mmseg.model_config(state, stride), data)
        ours = mmseg.from_mmseg(state)
    backbone = config.model.backbone
    _save(source, output, config, ours, {"format": "mmseg"}, f"mmsegmentation's DeepLabV3+ on {backbone.network}")
    return f"{backbone.network}, DeepLabV3+, output stride {stride}; {len(ours)} tensors"


def _save(source: Path, output: Path, config: RunConfig, state: State, origin: State, what: str) -> None:
    """Write a checkpoint of the 19 classes; CheckpointError: the tensors are not those of its network."""
    with torch.device("meta"):
        model = build_segmenter(config.model, CITYSCAPES.num_classes)
    if differences := compare_states(model.state_dict(), state):
        raise CheckpointError(
            f"{source} is not {what}, or not the whole of it; here with this package's names:\n{shortened(differences)}"
        )
    model.load_state_dict(state, assign=True)
    classes = ClassTable("cityscapes19", CITYSCAPES.class_names, CITYSCAPES.palette.tolist())
    more = {"iteration": config.optim.iterations, "training": None, "origin": origin}
    save_checkpoint(output, model=model, config=config, classes=classes, **more)


def _run_config(name: str, model: Mapping[str, Any], trained_on: str) -> RunConfig:
    data = {"train": {"name": trained_on, "split": "train"}}
    return validate({"name": name, "data": data, "model": model}, source="the converted network")


def _to_robustnet(source: Path, output: Path, variant: robustnet.Variant | None) -> str:
    model, config, meta = load_segmenter(source)
    origin = meta.get("origin", {})
    origin = origin if origin.get("format") == _ORIGIN else {}
    backbone = config.model.backbone
    if backbone.name not in robustnet.BACKBONES:
        raise CheckpointError(f"{source}: RobustNet has no {backbone.name}, only {', '.join(robustnet.BACKBONES)}")
    natural = "base" if backbone.ibn != "b" else "ibn" if backbone.ibn_affine else "isw"
    kind = robustnet.RobustNetKind(
        backbone.name,
        variant or origin.get("variant") or natural,
        deep_stem=backbone.stem == "conv3x3",
        output_stride=backbone.output_stride,
        num_classes=len(meta["class_names"]),
    )
    _check_is_robustnets(source, config.model, kind)
    with naming(source):
        theirs = robustnet.to_robustnet(model.state_dict(), kind, origin.get("folded"))
    content = {
        "state_dict": {f"module.{key}": value for key, value in theirs.items()},
        "epoch": origin.get("epoch", 0),
        "mean_iu": origin.get("mean_iu", 0.0),
    }
    with atomic_path(output) as temporary:
        torch.save(content, temporary)
    return f"RobustNet {kind.backbone}, {kind.variant}; {len(theirs)} tensors"


def _check_is_robustnets(source: Path, model: ModelConfig, kind: robustnet.RobustNetKind) -> None:
    """Raise unless the network is the one that RobustNet's code builds."""
    own = dict(flatten(model.model_dump()))
    # Norms without weight and bias can be written with 1 and 0, and the other way round.
    free = ("weights", "head.dropout", "aux_head", "backbone.ibn_affine")
    differences = [
        f"model.{key} is {own.get(key)}, RobustNet's {value}"
        for key, value in flatten(_run_config("x", kind.model_config(), "gta5").model.model_dump())
        if own.get(key) != value and not key.startswith(free)
    ]
    aux = model.aux_head
    if aux is not None and (aux.layer, aux.channels) != ("layer3", 512):
        differences.append("model.aux_head is not on layer3 with 512 channels")
    if differences:
        raise CheckpointError(
            f"{source} is another network than RobustNet's {kind.backbone} ({kind.variant}):\n{shortened(differences)}"
        )
