"""THE training loop, top to bottom: a config and the data sets' root in, a run folder out."""

import logging
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from segibn import distributed
from segibn.builders.loader import build_train_loader
from segibn.builders.models import build_segmenter
from segibn.builders.transfer import init_from_checkpoint
from segibn.config.referred import with_copies
from segibn.config.schema import RunConfig
from segibn.config.shipped import shipped_or_file
from segibn.data.datasets.catalog import scheme_of
from segibn.data.loader import TrainLoader
from segibn.devices import default_device, image_layout
from segibn.engine.checkpoint import (
    ClassTable,
    keep_copy,
    keep_history,
    require_disk,
    resume_training,
    save_checkpoint,
    training_state,
)
from segibn.engine.failures import explained_failures, stop_at_diverged_state, stop_at_non_finite
from segibn.engine.journal import Journal
from segibn.engine.run_data import RunData, index_run
from segibn.engine.run_dir import RunDir, best_miou, describe_start, is_exhausted, open_run
from segibn.engine.scoring import score_source
from segibn.engine.trackers import require_trackers
from segibn.engine.update import Pending, Updater
from segibn.errors import SegibnError
from segibn.files.writing import writable_folder
from segibn.labels.label_set import LabelSet
from segibn.models.segmenter import Segmenter
from segibn.models.sync_norm import synchronize_batch_norms
from segibn.text.streams import outliving_readers

logger = logging.getLogger(__name__)

# How long a rank that is to stop waits for a batch: the others need its part of the update.
_GRACE_S = 20.0
_HANGUP = getattr(signal, "SIGHUP", None)  # of a closed terminal; Windows has none
_STOPPING = [number for number in (signal.SIGINT, signal.SIGTERM, _HANGUP) if number is not None]


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended; ``stopped_by`` is a signal, None if it is finished."""

    checkpoint: Path
    iteration: int
    stopped_by: int | None


@outliving_readers()
def train(config: RunConfig, *, datasets_root: Path, output: Path, resume: str | None = None) -> TrainingResult:
    """Train one network; runs on every rank of a torchrun launch, or in a single process.

    ``resume``: None = a fresh run; ``auto`` = from the folder's last checkpoint if there is one;
    else a checkpoint file. Processes that torchrun started again take ``auto``.

    DatasetError, ConfigError, CheckpointError: before any work is done. LostPeerError: another rank
    ended. SegibnError: the loss became NaN or infinite, a sample could not be read, memory or the
    disk is full; what is trained is saved where that is possible.
    """
    writable_folder(output)
    require_trackers(config.engine.trackers)
    device = default_device()
    data = index_run(config, datasets_root)
    run, checkpoint = open_run(output, resume)
    if config.optim.global_batch_size == "auto":
        from segibn.engine.fit_batch import fit_batch  # which builds networks as is done here

        config = fit_batch(config, datasets_root, output, resume)

    with distributed.process_group(device), StopSignals() as stop:
        model = build_model(config, data.labels, device, checkpoint is not None)
        updater = Updater(config, model, data.labels.class_names, data.groups)
        first = 0 if checkpoint is None else resume_training(checkpoint, updater)
        require_same_start(run, first)
        patience, is_main = config.engine.patience, distributed.is_main()
        early = patience is not None and first > 0 and distributed.any_rank(is_main and is_exhausted(run, patience))
        if checkpoint is not None and (first == config.optim.iterations or early):
            return TrainingResult(checkpoint, first, None)
        require_disk(updater, run)
        loader = build_train_loader(config, data.sets, datasets_root=datasets_root, first_iteration=first)
        if distributed.is_main():  # what is wrong with the config has shown by now
            run.prepare(config, describe_start(config, device, updater.dtype, first, datasets_root))
        distributed.barrier()
        journal = Journal(config, run, first, device)
        training = _Training(config, updater, data, run, journal, stop)
        with journal, explained_failures(config, updater.plan.micro_batch):
            done = training.loop(loader, first)
        if trouble := journal.trouble:
            if not distributed.is_main():
                raise trouble
            saved = f"(saved after {done} iterations; resume with --resume auto)"
            raise type(trouble)(f"{trouble} {saved}")
        ended = done == config.optim.iterations or (training.is_exhausted() and not training.leaving())
        stopped_by = None if ended else stop.received or signal.SIGTERM
        return TrainingResult(run.last_checkpoint, done, stopped_by)


class StopSignals:
    """Context in which the first SIGINT, SIGTERM or SIGHUP only sets ``received``.

    A second SIGINT interrupts at once. Outside the main thread it does nothing.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in _STOPPING:
            if number == _HANGUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # of nohup
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: Python allows no handlers
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)


@dataclass(frozen=True)
class _Training:
    """The loop, and what it needs for saving and scoring between updates."""

    config: RunConfig
    updater: Updater
    data: RunData
    run: RunDir
    journal: Journal
    stop: StopSignals

    def loop(self, loader: TrainLoader, done: int) -> int:
        """Update from iteration ``done`` on, to the last one or a stop -> updates done."""
        config, engine = self.config, self.config.engine
        pending, stopping = None, False
        is_alone = distributed.rank_and_world()[1] == 1  # then nobody has to be asked
        for batch in self.journal.timed(loader.until(self.leaving, 0 if is_alone else _GRACE_S)):
            launched = self.updater.update(batch, done, wants_to_stop=self.leaving())
            done += 1
            if pending is not None:  # read while the device computes what was just launched
                stopping = self.read(pending)
            stopping = stopping or (is_alone and self.leaving())
            pending = launched
            last = done == config.optim.iterations
            scoring = last or _is_due(done, engine.evaluate_every)
            if scoring or stopping or _is_due(done, engine.checkpoint_every):
                stopping = self.read(pending) or stopping
                pending = None
                with self.journal.paused():
                    self.save(done)
                    if last or (scoring and not stopping):
                        with self.journal.noting_trouble():
                            self.score(done)
                            if not last and self.is_exhausted():
                                return done
                stopping = stopping or self.journal.trouble is not None
            if stopping:
                return done
        if done < config.optim.iterations:  # there was no further batch
            if pending is not None:
                self.read(pending)
            self.save(done)
        return done

    def is_exhausted(self) -> bool:
        """Whether early stopping ends the training here, on every rank alike."""
        patience = self.config.engine.patience
        return patience is not None and distributed.any_rank(distributed.is_main() and is_exhausted(self.run, patience))

    def leaving(self) -> bool:
        """Whether this rank wants to stop."""
        return self.stop.received is not None or self.journal.trouble is not None

    def read(self, pending: Pending) -> bool:
        """Check and log an update; return whether any rank asked to stop when it began."""
        loss, stopping = pending.read()
        stop_at_non_finite(loss, pending, self.config, self.run)
        self.journal.record(pending.iteration + 1, loss, pending.lr, pending.launched)
        return stopping

    def save(self, done: int) -> None:
        """Write the last checkpoint, kept under its iteration's name as well if asked to."""
        run, config, labels = self.run, self.config, self.data.labels
        stop_at_diverged_state(self.updater, run, done)
        if not distributed.is_main():
            return
        scheme = scheme_of(config.data.train.name, config.data.classes)
        save_checkpoint(
            run.last_checkpoint,
            model=self.updater.predicting_model,
            config=with_copies(config)[0],
            classes=ClassTable(scheme, labels.class_names, labels.palette.tolist()),
            iteration=done,
            training=training_state(self.updater),
        )
        if config.engine.keep_checkpoints > 1:
            keep_history(run.last_checkpoint, done, config.engine.keep_checkpoints)

    def score(self, done: int) -> None:
        """Score held-out source frames on all ranks; the checkpoint just saved may be the best."""
        if self.data.val is None:
            return
        best = best_miou(self.run) if distributed.is_main() else 0.0
        model, palette = self.updater.predicting_model, self.data.labels.palette
        show = partial(self.journal.picture, done)
        numbers = score_source(self.config, model, self.data.val, palette, self.run, show)
        self.updater.model.train()
        self.journal.evaluated(done, numbers)
        if numbers["val_miou"] > best and distributed.is_main():
            keep_copy(self.run.last_checkpoint, self.run.best_checkpoint.name)


def _is_due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0


def build_model(config: RunConfig, labels: LabelSet, device: torch.device, resuming: bool = False) -> Segmenter:
    """Build the network of a run on its device, from the run's seed; the same on every rank.

    Weights come from ``init_from``, else ``model.weights``; neither is read when ``resuming``.
    """
    torch.manual_seed(config.seed)
    model_config = config.model
    if resuming or config.init_from is not None:
        model_config = model_config.model_copy(update={"weights": "none"})
    model = build_segmenter(model_config, labels.num_classes)
    if config.init_from is not None and not resuming:
        report = init_from_checkpoint(model, shipped_or_file(config.init_from), labels.class_names)
        logger.info("%s", report.summary())
    _, world = distributed.rank_and_world()
    if world > 1:
        model = synchronize_batch_norms(model, device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # crops have one size
    layout = image_layout(device, config.engine.channels_last)
    return model.to(device, memory_format=layout).train()


def require_same_start(run: RunDir, first: int) -> None:
    """Check that all ranks begin at one iteration; runs on every rank, all raise if one must."""
    starts = sorted({int(start) for start in distributed.gather(np.array([first]))[:, 0]})
    if len(starts) > 1:
        raise SegibnError(
            f"the processes of this run would begin at different iterations ({starts}): not all of "
            f"them see the same {run.path}. Put --output on a file system that all nodes share"
        )
