"""Room for the checkpoints of a training, looked at before its first update."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segibn.engine.checkpoint import training_state
from segibn.engine.run_dir import RunDir
from segibn.engine.update import Updater
from segibn.errors import SegibnError
from segibn.files.writing import writable_folder
from segibn.text import byte_count


@dataclass(frozen=True)
class Disk:
    """Room for checkpoints, in bytes."""

    folder: Path
    """The next folder above the run that is there."""
    checkpoint: int
    """Size of one."""
    need: int
    """Size of all that are there at a time."""
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
        trained = [p for p in updater.model.parameters() if p.requires_grad]
        size += copies * tensor_bytes(trained)
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
