"""Read the package's own checkpoints: a file in, a network ready for inference out.

A change that files of earlier versions do not fit adds one to FORMAT_VERSION and a function to
STEPS. Format 1: until configs said their version.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.overrides import TorchFunctionMode

from segibn.builders.models import build_segmenter, for_inference, without_surgery
from segibn.config.explain import explain
from segibn.config.referred import anchor
from segibn.config.schema import RunConfig
from segibn.config.upgrade import upgrade_config
from segibn.description import check_classes
from segibn.errors import CheckpointError, ConfigError
from segibn.models.lora import merged_state
from segibn.models.segmenter import Segmenter
from segibn.models.share_norm import set_iteration
from segibn.models.weights.checkpoint_schema import check_content
from segibn.models.weights.state import (
    FORMAT,
    compare_states,
    naming,
    read_safetensors_checkpoint,
    read_torch_file,
    shortened,
)
from segibn.models.weights.tensor_check import check_tree
from segibn.text import printable

FORMAT_VERSION = 2

Content = dict[str, Any]

_GRAPHS = {
    ".onnx": "an exported graph, which segibn predict runs but nothing else here",
    ".pt2": "a torch.export graph, which is not read here, since torch's loader may run code in it",
}
_KEYS = ("format_version", "config", "class_names", "palette", "classes", "iteration", "model")


def read_checkpoint(path: Path) -> Content:
    """Read a .pt file, or a .safetensors of `segibn export`, onto the CPU; nothing is executed.

    -> "config", "class_names", "palette", "classes", "iteration", "model" (a state dict),
    "training" (or None) and "versions".
    """
    suffix = Path(path).suffix
    if suffix in _GRAPHS:
        raise CheckpointError(f"{path} is {_GRAPHS[suffix]}; give the run or checkpoint")
    content = read_safetensors_checkpoint(path) if suffix == ".safetensors" else read_torch_file(path)
    if content.get("format") != FORMAT:
        keys = ", ".join(printable(key)[:80] for key in list(content)[:4])
        raise CheckpointError(
            f"{path} is not a segibn checkpoint: it holds {keys or 'nothing'}, ... instead of "
            f"format: {FORMAT}. Published backbone weights go into a config as model.weights; "
            "segibn convert converts RobustNet's checkpoints"
        )
    check_tree(content, str(path))
    content = upgrade_checkpoint(content, path)
    absent = [key for key in _KEYS if key not in content]
    if absent:
        raise CheckpointError(f"{path} is an incomplete checkpoint: it lacks {', '.join(absent)}")
    check_classes(content["class_names"], content["palette"], str(path))
    content = {"training": None, "versions": {}, **content}
    check_content(content, path)
    anchor(content["config"], path.parent.parent, copies_only=True)
    return content


def upgrade_checkpoint(content: Mapping[str, Any], path: Path) -> Content:
    """Bring a checkpoint's dict and its config to the present version."""
    version = content.get("format_version")
    if type(version) is not int or version not in range(1, FORMAT_VERSION + 1):
        raise CheckpointError(
            f"{path} has checkpoint format {printable(version)[:40]}, this version of segibn reads "
            f"up to {FORMAT_VERSION}; update segibn"
        )
    upgraded = dict(content)
    for earlier in range(version, FORMAT_VERSION):
        upgraded = STEPS[earlier](upgraded)
    config = upgraded.get("config")
    if isinstance(config, Mapping):
        try:
            upgraded["config"], _ = upgrade_config(config, f"the config in {path}")
        except ConfigError as error:
            raise CheckpointError(str(error)) from error
    return {**upgraded, "format_version": FORMAT_VERSION}


def _stages_as_built(content: Content) -> Content:
    """1 -> 2: a DenseNet's empty ``ibn_stages`` meant the paper's where its weights have instance norms; now none."""
    try:
        backbone = content["config"]["model"]["backbone"]
        is_meant = backbone["name"].startswith("densenet") and backbone["ibn_stages"] == []
        has_norms = any(".IN." in key for key in {**content["model"]})
    except (KeyError, TypeError, AttributeError):
        return content  # incomplete: whoever reads it says so
    if not (is_meant and has_norms):
        return content
    model = {**content["config"]["model"], "backbone": {**backbone, "ibn_stages": None}}
    return {**content, "config": {**content["config"], "model": model}}


STEPS: Mapping[int, Callable[[Content], Content]] = {1: _stages_as_built}
"""From each version to the next."""


class _NoRandomValues(TorchFunctionMode):
    """Leaves new weights as allocated: random values take a second, on "meta" even several."""

    names = ("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self.names:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _size_of(state: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in state.values())


def load_segmenter(path: Path) -> tuple[Segmenter, RunConfig, dict[str, Any]]:
    """Read a checkpoint -> its network in evaluation mode on the CPU, its config, and the rest."""
    content = read_checkpoint(path)
    try:
        config = RunConfig.model_validate(content["config"])
    except ValidationError as error:
        unknown = f"{path}: its config is not one that this version of segibn knows"
        raise CheckpointError(f"{unknown}:\n{explain(error, RunConfig)}") from error
    # The checkpoint holds all weights: what the training once started from is not needed, and what
    # LoRA added to them is merged, so that inference costs no more than the plain network.
    with naming(path):
        architecture, state = for_inference(config.model), merged_state(content["model"])
    num_classes = len(content["class_names"])
    # "meta" takes no memory, whatever widths the config of a file states. Only what is built runs there: torch
    # imports its compiler for most operations on "meta", a second and 140 MB.
    with torch.device("meta"), _NoRandomValues():
        own = build_segmenter(without_surgery(architecture), num_classes).state_dict()
    if _size_of(own) <= _size_of(state):
        with _NoRandomValues():
            model = build_segmenter(architecture, num_classes)
        own = model.state_dict()
    if differences := compare_states(own, state):
        raise CheckpointError(
            f"{path} holds the weights of another architecture than its config describes "
            f"({config.model.backbone.network}, ibn {config.model.backbone.ibn}, "
            f"{config.model.head.name}):\n{shortened(differences)}"
        )
    model.load_state_dict(state)
    set_iteration(model, content["iteration"])
    return model.eval(), config, {key: value for key, value in content.items() if key not in ("model", "training")}
