"""Where a training's curves and pictures go besides its folder: TensorBoard, Weights & Biases, MLflow.

A tracker that fails is told of once and left; the training goes on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from segibn.errors import SegibnError
from segibn.extras import is_there, require
from segibn.text import printable

_LONGEST = 500  # characters of a parameter that MLflow takes
logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """One place for curves; any call may raise."""

    def scalars(self, iteration: int, record: Mapping[str, float]) -> None:
        """Add a record of numbers."""

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 RGB."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """Finish; ``summary``: last scores, their signature, the checkpoint's path."""


class TensorBoard:
    """Event files below the run folder."""

    def __init__(self, folder: Path, name: str, first: int, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter  # 1 s of imports, needed only here

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)

    def scalars(self, iteration: int, record: Mapping[str, float]) -> None:
        """See `Tracker`."""
        for key, value in record.items():
            self._writer.add_scalar(key, value, iteration)

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """See `Tracker`."""
        self._writer.add_image(name, picture, iteration, dataformats="HWC")

    def close(self, summary: Mapping[str, Any]) -> None:
        """See `Tracker`."""
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases; its variables say where: ``WANDB_MODE=offline``, ``WANDB_PROJECT``."""

    def __init__(self, folder: Path, name: str, first: int, config: Mapping[str, Any]) -> None:
        import wandb

        self._wandb, identity = wandb, folder / "wandb_run.txt"
        known = identity.read_text(encoding="utf-8").strip() if first and identity.is_file() else None
        self._run = wandb.init(dir=folder, name=name, id=known, resume="allow" if known else None, config=dict(config))
        identity.write_text(self._run.id, encoding="utf-8")

    def scalars(self, iteration: int, record: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._run.log(dict(record), step=iteration)

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """See `Tracker`."""
        self._run.log({name: self._wandb.Image(picture)}, step=iteration)

    def close(self, summary: Mapping[str, Any]) -> None:
        """See `Tracker`."""
        self._run.summary.update(dict(summary))
        self._run.finish()


class MLflow:
    """A run of MLflow; ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME`` say where."""

    def __init__(self, folder: Path, name: str, first: int, config: Mapping[str, Any]) -> None:
        import mlflow

        self._mlflow, identity = mlflow, folder / "mlflow_run.txt"
        known = identity.read_text(encoding="utf-8").strip() if first and identity.is_file() else None
        run = mlflow.start_run(run_id=known, run_name=None if known else name)
        identity.write_text(run.info.run_id, encoding="utf-8")
        if known is None:
            mlflow.log_params({key: str(value)[:_LONGEST] for key, value in _flat(config)})

    def scalars(self, iteration: int, record: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._mlflow.log_metrics({key: float(value) for key, value in record.items()}, step=iteration)

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """See `Tracker`."""
        self._mlflow.log_image(picture, artifact_file=f"{name}_{iteration:06d}.png")

    def close(self, summary: Mapping[str, Any]) -> None:
        """See `Tracker`."""
        self._mlflow.set_tags({key: str(value) for key, value in summary.items()})
        self._mlflow.end_run()


_KINDS: Mapping[str, Callable[..., Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow}


class Trackers:
    """All that a config names; what fails is left out from then on."""

    def __init__(self, names: Sequence[str], folder: Path, name: str, first: int, config: Mapping[str, Any]) -> None:
        self._there: dict[str, Tracker] = {}
        for kind in names:
            if kind == "tensorboard" and not is_there(kind):
                logger.info("curves go to metrics.jsonl; for TensorBoard: pip install 'segibn[train]'")
                continue
            made = self._guarded(kind, lambda kind=kind: _KINDS[kind](folder, name, first, config))
            if made is not None:
                self._there[kind] = made

    def scalars(self, iteration: int, record: Mapping[str, float]) -> None:
        """Add a record of numbers to each."""
        for kind, tracker in list(self._there.items()):
            self._guarded(kind, lambda tracker=tracker: tracker.scalars(iteration, record))

    def picture(self, iteration: int, name: str, picture: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 RGB to each."""
        for kind, tracker in list(self._there.items()):
            self._guarded(kind, lambda tracker=tracker: tracker.picture(iteration, name, picture))

    def close(self, summary: Mapping[str, Any]) -> None:
        """Finish each, with the last scores."""
        for kind, tracker in list(self._there.items()):
            self._guarded(kind, lambda tracker=tracker: tracker.close(summary))

    def _guarded(self, kind: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # whatever a server, a disk or a library comes up with
            self._there.pop(kind, None)
            logger.warning("%s failed and is left out from here on (%s)", kind, printable(error))
            return None


def require_trackers(names: Sequence[str]) -> None:
    """Raise ConfigError where a tracker of a config is not installed; TensorBoard may be absent."""
    for kind in names:
        if kind != "tensorboard":
            require(kind, kind, purpose=f"engine.trackers: {kind}", error=SegibnError)


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested keys with dots; lists stay whole."""
    found: list[tuple[str, Any]] = []
    for key, value in config.items():
        inner = isinstance(value, Mapping)
        found += _flat(value, f"{prefix}{key}.") if inner else [(f"{prefix}{key}", value)]
    return found
