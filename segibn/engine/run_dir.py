"""The run folder: what a training leaves behind.

``config.yaml`` (resolved), ``environment.json`` (command, git revision, versions, device),
``metrics.jsonl`` and ``tensorboard/`` (curves), ``pictures/`` (predictions on validation frames),
``checkpoints/`` (``last.pt``, ``best.pt`` by mIoU on the source domain, ``iteration_*.pt``) and
``scores/``.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segibn import provenance
from segibn.config.load import dump_config
from segibn.config.schema import RunConfig
from segibn.errors import ConfigError
from segibn.files import remove_leftovers, write_image, write_json, write_text


class RunDir:
    """Paths and logs of one run; only the main rank writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last_checkpoint = path / "checkpoints" / "last.pt"
        self.best_checkpoint = path / "checkpoints" / "best.pt"
        self.metrics_file = path / "metrics.jsonl"
        self.pictures = path / "pictures"

    def scores_file(self, evaluation_set: str) -> Path:
        """Return where the scores on a set such as ``gta5:val`` go."""
        return self.path / "scores" / f"{re.sub('[^A-Za-z0-9_.+@-]', '_', evaluation_set)}.json"

    def prepare(self, config: RunConfig, device: torch.device, resuming: bool) -> None:
        """Make the folder and write what is known before training.

        Args:
            config: of the run.
            device: where it trains.
            resuming: the folder may hold a run, even one that was killed before its first
                checkpoint. What it was writing when it was killed is removed.

        Raises:
            ConfigError: the folder holds another run and this is not a resume.
        """
        if (self.path / "config.yaml").exists() and not resuming:
            raise ConfigError(
                f"{self.path} already holds a run; go on with it by --resume auto, or choose "
                "another --output"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, self.last_checkpoint.parent):
            remove_leftovers(folder)
        write_text(self.path / "config.yaml", dump_config(config))
        write_json(
            self.path / "environment.json",
            {
                "command": provenance.command_line(),
                "git_revision": provenance.git_revision(),
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "device": _describe(device),
            },
        )


class MetricsLog:
    """Appends to ``metrics.jsonl`` and to TensorBoard; one record per logged iteration."""

    def __init__(self, run: RunDir, first_iteration: int) -> None:
        """Open both; records of a previous attempt after ``first_iteration`` go."""
        from torch.utils.tensorboard import SummaryWriter  # 1 s of imports, needed only here

        kept = _records_before(run.metrics_file, first_iteration)
        write_text(run.metrics_file, "".join(json.dumps(record) + "\n" for record in kept))
        self._pictures = run.pictures
        self._file = run.metrics_file.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run.path / "tensorboard"), purge_step=first_iteration + 1)

    def write(self, iteration: int, record: dict[str, float]) -> None:
        """Add one record; the values are plain numbers."""
        self._file.write(json.dumps({"iteration": iteration, **record}) + "\n")
        self._file.flush()
        for key, value in record.items():
            self._board.add_scalar(key, value, iteration)

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 RGB; the folder keeps the latest one of each name."""
        write_image(self._pictures / f"{name}.jpg", picture)
        self._board.add_image(name, picture, iteration, dataformats="HWC")

    def close(self) -> None:
        """Flush and close both."""
        self._file.close()
        self._board.close()


def best_miou(run: RunDir) -> float:
    """Return the best mIoU on the source domain that the run has written down, -1 without any."""
    records = _records_before(run.metrics_file, sys.maxsize)
    return max((record["val_miou"] for record in records if "val_miou" in record), default=-1.0)


def _records_before(path: Path, iteration: int) -> list[dict[str, Any]]:
    """Read back whole records up to an iteration; a line cut short by a kill is dropped."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record["iteration"] <= iteration:
            records.append(record)
    return records


def _describe(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
