"""Checkpoints: one file with weights, resolved config, label classes and the training state.

Written under a temporary name and renamed: a kill or a full disk leaves the previous one whole.
"""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from segibn import provenance
from segibn.builders.checkpoints import FORMAT_VERSION, read_checkpoint
from segibn.config.schema import RunConfig
from segibn.engine.run_dir import RunDir
from segibn.engine.update import Updater
from segibn.errors import CheckpointError, SegibnError
from segibn.files.writing import atomic_path, sha256_of, writable_folder
from segibn.models.weights.state import FORMAT, compare_states
from segibn.models.weights.tensor_check import check_finite
from segibn.text import byte_count, printable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassTable:
    """What the network's outputs mean; travels with its weights."""

    scheme: str
    names: tuple[str, ...]
    palette: Sequence[Sequence[int]]


def save_checkpoint(
    path: Path,
    *,
    model: nn.Module,
    config: RunConfig,
    classes: ClassTable,
    iteration: int,
    training: dict[str, Any] | None,
    origin: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint of the network to predict with; call it on the main rank only.

    ``iteration``: updates done so far. ``training``: see ``training_state``; None = weights alone.
    ``origin``: of converted weights: where they are from, and what is needed to go back.
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": config.model_dump(mode="json"),
        "classes": classes.scheme,
        "class_names": list(classes.names),
        "palette": [list(map(int, color)) for color in classes.palette],
        "iteration": iteration,
        "model": model.state_dict(),
        "training": training,
        "versions": provenance.versions(),
        **({} if origin is None else {"origin": origin}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Through a Python file: torch's own writer would not say why the system refused.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def training_state(updater: Updater) -> dict[str, Any]:
    """Return what a resumed training needs besides weights to predict with and the iteration."""
    state = {"optimizer": updater.optimizer.state_dict(), "scaler": updater.scaler.state_dict()}
    if updater.average is not None:  # then the checkpoint's "model" is the average
        state["model"] = updater.model.state_dict()
        state["average_updates"] = updater.average.updates
    if objective := updater.objective.state_dict():
        state["objective"] = objective
    return state


def resume_training(path: Path, updater: Updater) -> int:
    """Load weights and training state in place -> iteration to resume at; else CheckpointError."""
    content = read_checkpoint(path)
    _check_same_run(path, content["config"], updater.config.model_dump(mode="json"))
    training = content["training"]
    if training is None:
        raise CheckpointError(
            f"{path} holds weights only; training cannot resume from it. To start a new training "
            "from its weights, set init_from"
        )
    if content["iteration"] > updater.config.optim.iterations:
        raise CheckpointError(
            f"{path} is from iteration {content['iteration']}, beyond optim.iterations="
            f"{updater.config.optim.iterations}"
        )
    check_finite({k: v for k, v in flatten(training, "training.") if isinstance(v, Tensor)}, str(path))
    try:
        _load_states(content, training, updater)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds the training state of another network than its config describes "
            f"({printable(error)[:300]}); take another checkpoint of the run, or start a new one "
            f"from its weights: init_from={path}"
        ) from error
    return content["iteration"]


def _load_states(content: dict[str, Any], training: dict[str, Any], updater: Updater) -> None:
    weights = training.get("model", content["model"])
    for state in (weights, content["model"]):
        if differences := compare_states(updater.model.state_dict(), state):
            raise ValueError(differences[0])
    updater.model.load_state_dict(weights)
    # What is set in the groups follows from the config, which may have changed.
    groups = updater.optimizer.state_dict()["param_groups"]
    old, state = training["optimizer"]["param_groups"], training["optimizer"]["state"]
    if [group["params"] for group in old] != [group["params"] for group in groups]:
        raise ValueError("other parameters are trained")
    parameters = [p for group in updater.optimizer.param_groups for p in group["params"]]
    for index, values in state.items():
        for name, value in values.items():
            if getattr(value, "shape", ()) not in ((), parameters[index].shape):
                raise ValueError(f"{name} of parameter {index} has shape {tuple(value.shape)}")
    updater.optimizer.load_state_dict({"state": state, "param_groups": groups})
    if training["scaler"] and updater.scaler.is_enabled():
        updater.scaler.load_state_dict(training["scaler"])
    if updater.average is not None:
        updater.average.model.load_state_dict(content["model"])
        updater.average.updates = int(training["average_updates"])
    updater.objective.load_state_dict(training.get("objective", {}))


def keep_copy(checkpoint: Path, name: str) -> Path:
    """Give a checkpoint a second name in its folder, replacing what had it."""
    copy = checkpoint.with_name(name)
    with atomic_path(copy) as temporary:
        try:  # one file of two names: the next checkpoint takes the first one by a rename
            os.link(checkpoint, temporary)
        except OSError:  # a file system without links
            temporary.write_bytes(checkpoint.read_bytes())
    return copy


def keep_history(checkpoint: Path, iteration: int, keep: int) -> None:
    """Keep a checkpoint as ``iteration_*.pt``, and all but the last ``keep`` of these no longer."""
    keep_copy(checkpoint, f"iteration_{iteration:08d}.pt")
    for path in sorted(checkpoint.parent.glob("iteration_*.pt"))[:-keep]:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Disk:
    """Room for checkpoints, in bytes."""

    folder: Path  # the next one above the run that is there
    checkpoint: int  # size of one
    need: int  # size of all that are there at a time
    free: int


def require_disk(updater: Updater, run: RunDir) -> Disk:
    """Compare what the checkpoints need with what is free; those that are there need no more."""
    config, checkpoints = updater.config, run.last_checkpoint.parent
    for path in (checkpoints, run.path / "tensorboard", run.pictures):
        writable_folder(path)
    folder = writable_folder(run.path)
    size = tensor_bytes([updater.predicting_model.state_dict(), training_state(updater)])
    if not updater.optimizer.state:  # what it will hold after its first update
        copies = 1 if isinstance(updater.optimizer, torch.optim.SGD) else 2
        size += copies * tensor_bytes([p for p in updater.model.parameters() if p.requires_grad])
    kept = config.engine.keep_checkpoints + (config.data.val is not None)
    there = {(stat.st_dev, stat.st_ino) for stat in (p.stat() for p in checkpoints.glob("*.pt"))}
    need = size * max(1, kept + 1 - len(there))  # one more while the next one is written
    free = shutil.disk_usage(folder).free
    if free < need:
        raise SegibnError(
            f"the checkpoints need {byte_count(need)} ({byte_count(size)} each), but {folder} has "
            f"{byte_count(free)} free; make room, choose another --output, or lower "
            "engine.keep_checkpoints"
        )
    return Disk(folder, size, need, free)


def tensor_bytes(tree: Any) -> int:
    """Return the bytes of all tensors in nested mappings and sequences."""
    if isinstance(tree, Tensor):
        return tree.numel() * tree.element_size()
    if isinstance(tree, Mapping):
        return sum(map(tensor_bytes, tree.values()))
    return sum(map(tensor_bytes, tree)) if isinstance(tree, list | tuple) else 0


# What may change when a run is resumed: how it is logged, saved, shared out and fed.
_FREE = {
    *("data.cache", "data.cache_dir", "data.cache_limit_gib", "data.workers"),
    *("engine.checkpoint_every", "engine.evaluate_every", "engine.keep_checkpoints"),
    *("engine.log_every", "engine.max_micro_batch", "engine.pictures"),
}
# What one changes after a training diverged; the run says so and resumes.
_REMEDIES = {
    *("engine.precision", "optim.clip_grad_norm", "optim.lr"),
    *("optim.warmup_factor", "optim.warmup_iterations"),
}
FILE_KEYS = {"names_file", "augmentation_file", "init_from", "teacher_weights", "weights"}
"""Last parts of config keys that name files, which may have been moved since."""


def _check_same_run(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """A resumed run must be the same run, but for `_FREE` keys and for `_REMEDIES`."""
    with suppress(ValidationError):  # a key that an older version did not have has its default
        old = RunConfig.model_validate(old).model_dump(mode="json")
    old_flat, new_flat = dict(flatten(old)), dict(flatten(new))
    changed = {
        key: f"{key}: {printable(old_flat.get(key))} -> {new_flat.get(key)}"
        + (", which holds something else" if key.rpartition(".")[2] in FILE_KEYS else "")
        for key in sorted(old_flat.keys() | new_flat.keys())
        if key not in _FREE and not _is_same(key, old_flat.get(key), new_flat.get(key))
    }
    if not changed:
        return
    fresh = f"start a new run from its weights: init_from={path} with another --output"
    if changed.keys() <= _REMEDIES:
        logger.warning("resumed with %s; or %s", ", ".join(changed.values()), fresh)
        return
    lines = "\n  ".join([f"{fresh}:", *changed.values()])
    raise CheckpointError(f"{path} was trained with another config; resume with the same one, or {lines}")


def _is_same(key: str, old: Any, new: Any) -> bool:
    """Whether a value stayed, or names a file that was moved: one of the same content."""
    if old == new:
        return True
    if key.rpartition(".")[2] not in FILE_KEYS or not (isinstance(old, str) and isinstance(new, str)):
        return False
    one, two = Path(old), Path(new)
    if one.is_file() and two.is_file():
        return one.stat().st_size == two.stat().st_size and sha256_of(one) == sha256_of(two)
    return one.name == two.name and not one.exists()


def flatten(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Return the leaves of nested mappings, and of lists of mappings, with their dotted paths."""
    if isinstance(tree, list) and any(isinstance(value, dict) for value in tree):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return [(prefix.removesuffix("."), tree)]
    return [pair for key, value in tree.items() for pair in flatten(value, f"{prefix}{key}.")]
