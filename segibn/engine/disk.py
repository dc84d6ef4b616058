"""Room for what a training writes: looked at before its first update.

Comes in: an `Updater` and the run folder. Goes out: what checkpoints need, or an error.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from segibn.engine.checkpoint import training_state
from segibn.engine.run_dir import RunDir
from segibn.engine.trial import tensor_bytes
from segibn.engine.update import Updater
from segibn.errors import SegibnError
from segibn.files import writable_folder


@dataclass(frozen=True)
class Disk:
    """Room for checkpoints, in bytes.

    Attributes:
        folder: the next folder above the run that is there.
        checkpoint: size of one.
        need: of all that are there at a time.
        free: on the disk.
    """

    folder: Path
    checkpoint: int
    need: int
    free: int


def require_disk(updater: Updater, run: RunDir) -> Disk:
    """Compare what the checkpoints need with what is free; those that are there need no more.

    Raises:
        SegibnError: there is no room, or a folder of the run cannot be written.
    """
    config = updater.config
    for path in (run.last_checkpoint.parent, run.path / "tensorboard", run.pictures):
        writable_folder(path)
    folder = writable_folder(run.path)
    size = _checkpoint_bytes(updater)
    kept = config.engine.keep_checkpoints + (config.data.val is not None)
    there = _distinct(run.last_checkpoint.parent.glob("*.pt"))
    need = size * max(1, kept + 1 - there)  # one more while the next one is written
    free = shutil.disk_usage(folder).free
    if free < need:
        raise SegibnError(
            f"the checkpoints need {need / 2**30:.1f} GiB ({size / 2**30:.2f} GiB each), but "
            f"{folder} has {free / 2**30:.1f} GiB free; make room, choose another --output, or "
            "lower engine.keep_checkpoints"
        )
    return Disk(folder, size, need, free)


def _checkpoint_bytes(updater: Updater) -> int:
    """Size of a checkpoint; what an optimiser will hold after its first update is counted too."""
    size = tensor_bytes([updater.predicting_model.state_dict(), training_state(updater)])
    if updater.optimizer.state:
        return size
    copies = 1 if isinstance(updater.optimizer, torch.optim.SGD) else 2
    return size + copies * tensor_bytes([p for p in updater.model.parameters() if p.requires_grad])


def _distinct(paths: Iterable[Path]) -> int:
    """Number of files; several names of one count once."""
    return len({(stat.st_dev, stat.st_ino) for stat in (path.stat() for path in paths)})
