"""The run folder: what a training leaves behind.

``config.yaml`` (resolved), ``files/`` (copies of what it names, so that the folder can be moved),
``environment.json`` (how and on what it was started each time), ``metrics.jsonl`` and
``tensorboard/`` (curves), ``pictures/`` (predictions on validation frames), ``scores/`` and
``checkpoints/`` (``last.pt``, ``best.pt`` by mIoU on the source domain, ``iteration_*.pt``).
"""

import json
import logging
import math
import os
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segibn import distributed, provenance
from segibn.config.load import dump_config
from segibn.config.referred import MAX_BYTES, with_copies
from segibn.config.schema import RunConfig
from segibn.engine.precision import describe_precision
from segibn.engine.trackers import Trackers
from segibn.errors import ConfigError, SegibnError
from segibn.files.encode import write_image
from segibn.files.writing import read_json, remove_leftovers, write_bytes, write_json, write_text
from segibn.text import read_small_file
from segibn.text.plain_data import parse_json

logger = logging.getLogger(__name__)


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

    def prepare(self, config: RunConfig, start: dict[str, Any]) -> None:
        """Make the folder, remove what a killed start left, write config and `describe_start`."""
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, self.last_checkpoint.parent):
            remove_leftovers(folder)
        own, originals = with_copies(config)
        for copy, original in originals.items():
            write_bytes(self.path / copy, read_small_file(original, MAX_BYTES, ConfigError))
        write_text(self.path / "config.yaml", dump_config(own))
        environment = self.path / "environment.json"
        earlier = []
        # a file that is missing or not whole tells of no start
        with suppress(SegibnError, AttributeError, TypeError):
            last = read_json(environment)
            earlier = [*last.pop("earlier", []), last]
        write_json(environment, {**start, "earlier": earlier})


def open_run(output: Path, resume: str | None) -> tuple[RunDir, Path | None]:
    """Return the run folder and the checkpoint to resume from (see ``train``); writes nothing."""
    run = RunDir(output)
    if resume is None and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0:
        resume = "auto"
    if resume is None and ((run.path / "config.yaml").exists() or run.last_checkpoint.exists()):
        raise ConfigError(f"{run.path} already holds a run; resume it with --resume auto, or choose another --output")
    if resume == "auto":
        return run, run.last_checkpoint if run.last_checkpoint.exists() else None
    return run, Path(resume) if resume is not None else None


def describe_start(
    config: RunConfig, device: torch.device, dtype: torch.dtype, first: int, datasets_root: Path
) -> dict[str, Any]:
    """Return how and on what a training is started; no host or user name."""
    _, world = distributed.rank_and_world()
    origin, gpus = provenance.origin(), []
    if device.type == "cuda":
        origin["versions"] |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        gpus = [torch.cuda.get_device_name(index) for index in range(here)]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **origin,
        "device": device.type,
        "gpus": gpus,
        "processes": world,
        "threads": torch.get_num_threads(),
        "precision": describe_precision(config.engine.precision, dtype),
        "seed": config.seed,
        "first_iteration": first,
        "datasets": str(datasets_root),
    }


class MetricsLog:
    """Appends to ``metrics.jsonl`` and to the config's trackers; records after ``first_iteration`` go."""

    def __init__(self, run: RunDir, first_iteration: int, trackers: Trackers) -> None:
        kept = _records_before(run.metrics_file, first_iteration)
        write_text(run.metrics_file, "".join(json.dumps(record) + "\n" for record in kept))
        self._run = run
        self._file = run.metrics_file.open("a", encoding="utf-8")
        self._trackers = trackers

    def write(self, iteration: int, record: dict[str, float]) -> None:
        """Add one record."""
        self._file.write(json.dumps({"iteration": iteration, **record}) + "\n")
        self._file.flush()
        self._trackers.scalars(iteration, record)

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 RGB; the folder keeps the latest one of each name."""
        write_image(self._run.pictures / f"{name}.jpg", picture)
        self._trackers.picture(iteration, name, picture)

    def close(self) -> None:
        """Flush and close all; trackers learn of the last scores, with their signature, and the checkpoint."""
        self._file.close()
        summary: dict[str, Any] = {"checkpoint": str(self._run.last_checkpoint)}
        with suppress(SegibnError, LookupError, TypeError, OSError, ValueError):
            scores = max((self._run.path / "scores").glob("*.json"), key=lambda path: path.stat().st_mtime)
            content = read_json(scores)
            summary |= {"miou": content["miou"], "signature": content["signature"]}
        self._trackers.close(summary)


def is_exhausted(run: RunDir, patience: int) -> bool:
    """Whether the last ``patience`` scores on the source domain are no better than one before them."""
    records = _records_before(run.metrics_file, sys.maxsize)
    scores = [record["val_miou"] for record in records if "val_miou" in record]
    return len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience])


def best_miou(run: RunDir) -> float:
    """Return the best mIoU on the source domain that the run has written down, -1 without any."""
    scores = [record.get("val_miou", math.nan) for record in _records_before(run.metrics_file, sys.maxsize)]
    return max((score for score in scores if not math.isnan(score)), default=-1.0)


def _records_before(path: Path, iteration: int) -> list[dict[str, Any]]:
    """Read back whole records up to an iteration; a line cut short by a kill is dropped."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(SegibnError, LookupError, TypeError):
            record = parse_json(line, str(path))
            if record["iteration"] <= iteration:
                records.append(record)
    return records
