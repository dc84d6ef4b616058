"""Checkpoints: one file with weights, resolved config, label classes and the training state.

Written to a temporary name and renamed, so that a kill or a full disk leaves the previous one
whole. Read with ``weights_only=True``: nothing in the file is executed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segibn import provenance
from segibn.config.schema import RunConfig
from segibn.errors import CheckpointError
from segibn.files import atomic_path
from segibn.models.weights import FORMAT, FORMAT_VERSION, read_checkpoint


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
    """Write a checkpoint; call it on the main rank only.

    Args:
        path: the file; its folder is made if need be.
        model: the bare ``Segmenter`` (not wrapped by DistributedDataParallel).
        config: resolved config.
        classes: names and colours of the outputs.
        iteration: updates done so far; the next one has this index.
        training: optimiser and scaler state; None for weights alone.
        origin: of converted weights: where they are from, and what is needed to go back.

    Raises:
        SegibnError: the disk is full or the folder not writable; an older file stays whole.
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
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def resume_training(
    path: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    config: RunConfig,
) -> int:
    """Load weights and training state in place; return the iteration to go on with.

    Raises:
        CheckpointError: unreadable, of another config, or weights without training state.
    """
    content = read_checkpoint(path)
    _check_same_run(path, content["config"], config.model_dump(mode="json"))
    if content["training"] is None:
        raise CheckpointError(f"{path} holds weights only; training cannot go on from it")
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["training"]["optimizer"])
    scaler.load_state_dict(content["training"]["scaler"])
    return content["iteration"]


def _check_same_run(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """A resumed run must be the same run; only how it is logged and saved may change."""
    free = {"engine.log_every", "engine.checkpoint_every", "engine.evaluate_every", "data.workers"}
    free |= {"data.cache", "data.cache_limit_gib", "data.train.names_file", "data.val.names_file"}
    old_flat, new_flat = dict(_flatten(old)), dict(_flatten(new))
    changed = [
        f"  {key}: {old_flat.get(key)} -> {new_flat.get(key)}"
        for key in sorted(old_flat.keys() | new_flat.keys())
        if key not in free and old_flat.get(key) != new_flat.get(key)
    ]
    if changed:
        raise CheckpointError(
            f"{path} was trained with another config; resume with the same one, or start a new "
            "run with another --output:\n" + "\n".join(changed)
        )


def _flatten(tree: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(tree, dict):
        return [(prefix.removesuffix("."), tree)]
    return [pair for key, value in tree.items() for pair in _flatten(value, f"{prefix}{key}.")]
