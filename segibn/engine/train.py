"""THE training loop, top to bottom.

Comes in: a validated config, the data sets' root, a run folder. Goes out: the run folder with its
last checkpoint, curves and scores on held-out frames of the source domain.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from segibn import distributed
from segibn.config.schema import RunConfig
from segibn.data.build import build_label_set, build_train_loader, index_dataset
from segibn.engine.checkpoint import ClassTable, resume_training, save_checkpoint
from segibn.engine.journal import Journal
from segibn.engine.optim import build_optimizer, set_learning_rate
from segibn.engine.precision import autocast, choose_dtype
from segibn.engine.run_dir import RunDir
from segibn.engine.scoring import inference_options, score, set_name
from segibn.engine.stop import StopSignals
from segibn.errors import ConfigError, SegibnError
from segibn.files import write_json
from segibn.labels.catalog import scheme_of
from segibn.labels.label_set import LabelSet
from segibn.losses.build import build_criterion
from segibn.models.build import build_segmenter
from segibn.models.segmenter import Segmenter
from segibn.models.sync_norm import synchronize_batch_norms


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended: its checkpoint, and the signal that stopped it (None = finished)."""

    checkpoint: Path
    iteration: int
    stopped_by: int | None


def train(
    config: RunConfig, *, datasets_root: Path, output: Path, resume: str | None = None
) -> TrainingResult:
    """Train one network; runs on every rank of a torchrun launch, or in a single process.

    Args:
        config: resolved config.
        datasets_root: folder that holds the data sets.
        output: the run folder.
        resume: None = a fresh run; ``auto`` = go on from the folder's last checkpoint if there is
            one; else a checkpoint file.

    Raises:
        DatasetError, ConfigError, CheckpointError: before any work is done.
        SegibnError: the loss became NaN or infinite, a sample could not be read, the disk is full.
    """
    device = distributed.default_device()
    dtype = choose_dtype(config.engine.precision, device)
    samples = index_dataset(config.data.train, datasets_root)
    if config.data.val is not None:
        index_dataset(config.data.val, datasets_root)  # a missing one must show now, not at the end
    labels = build_label_set(config.data.train, config.data.classes, samples)
    run = RunDir(output)
    checkpoint = _checkpoint_to_resume(run, resume)

    with distributed.process_group(device), StopSignals() as stop:
        model, step_model = _build_model(config, labels, device)
        optimizer = build_optimizer(model, config.optim, device)
        scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        first = 0
        if checkpoint is not None:
            state = {"model": model, "optimizer": optimizer, "scaler": scaler}
            first = resume_training(checkpoint, **state, config=config)
            if first == config.optim.iterations:
                return TrainingResult(checkpoint, first, None)
        if distributed.is_main():
            run.prepare(config, device, resuming=checkpoint is not None)
        distributed.barrier()
        criterion = build_criterion(config.loss, labels.num_classes, device)
        journal = Journal(config, run, first)
        if config.data.cache == "memory":
            journal.say(f"reading {len(samples)} frames into memory")
        loader = build_train_loader(config, samples, labels, first_iteration=first)
        unread_loss, batch = None, {"name": []}

        done = first
        with journal:
            for batch_read in loader:
                _raise_if_not_finite(unread_loss, batch, done - 1, optimizer)
                batch = batch_read
                _seed_iteration(config.seed, done)
                lr = set_learning_rate(optimizer, done, config.optim)
                images = model.normalize(batch["image"].to(device, non_blocking=True))
                target = batch["target"].to(device, non_blocking=True)
                if config.engine.channels_last:
                    images = images.contiguous(memory_format=torch.channels_last)

                with autocast(dtype, device):
                    outputs = step_model(images)
                loss, _ = criterion(outputs, target)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()

                unread_loss = loss.detach()
                done += 1
                journal.record(done, unread_loss, lr)
                last = done == config.optim.iterations
                stopping = _agree_to_stop(stop, done, config)
                if last or stopping or done % config.engine.checkpoint_every == 0:
                    _raise_if_not_finite(unread_loss, batch, done - 1, optimizer)
                    _save(run, model, optimizer, scaler, config, labels, done)
                if stopping and not last:
                    break
                if last or _is_due(done, config.engine.evaluate_every):
                    numbers = _score_source(model, config, labels, datasets_root, run)
                    journal.evaluated(done, numbers)
        finished = done == config.optim.iterations
        return TrainingResult(run.last_checkpoint, done, None if finished else stop.received)


def _build_model(
    config: RunConfig, labels: LabelSet, device: torch.device
) -> tuple[Segmenter, nn.Module]:
    """Return the bare network and the one to step (the same, or wrapped for several ranks)."""
    torch.manual_seed(config.seed)
    model = build_segmenter(config.model, labels.num_classes)
    _, world = distributed.rank_and_world()
    if world > 1:
        model = synchronize_batch_norms(model, device)
    layout = torch.channels_last if config.engine.channels_last else torch.contiguous_format
    model = model.to(device, memory_format=layout).train()
    if world == 1:
        return model, model
    ids = [device.index] if device.type == "cuda" else None
    return model, DistributedDataParallel(model, device_ids=ids)


def _seed_iteration(seed: int, iteration: int) -> None:
    """Make dropout a function of seed, iteration and rank, so that no RNG state is saved."""
    rank, _ = distributed.rank_and_world()
    torch.manual_seed(int(np.random.SeedSequence((seed, iteration, rank)).generate_state(1)[0]))


def _raise_if_not_finite(
    loss: torch.Tensor | None,
    batch: dict[str, list[str]],
    iteration: int,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Stop on a NaN loss, read one iteration late so that the device need not wait."""
    if loss is None or torch.isfinite(loss):
        return
    lr = optimizer.param_groups[0]["lr"]
    raise SegibnError(
        f"the loss is {loss.item()} at iteration {iteration} (learning rate {lr:.3g}); its samples "
        f"are {', '.join(batch['name'])}. Lower optim.lr, add optim.warmup_iterations, or set "
        "engine.precision=float32; the last checkpoint is from before"
    )


def _agree_to_stop(stop: StopSignals, done: int, config: RunConfig) -> bool:
    """Whether to stop here: at once in one process, at a common iteration with several ranks."""
    _, world = distributed.rank_and_world()
    if world == 1:
        return stop.received is not None
    return done % config.engine.log_every == 0 and distributed.any_rank(stop.received is not None)


def _save(
    run: RunDir,
    model: Segmenter,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    config: RunConfig,
    labels: LabelSet,
    iteration: int,
) -> None:
    if not distributed.is_main():
        return
    save_checkpoint(
        run.last_checkpoint,
        model=model,
        config=config,
        classes=ClassTable(
            scheme_of(config.data.train.name, config.data.classes),
            labels.class_names,
            labels.palette.tolist(),
        ),
        iteration=iteration,
        training={"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()},
    )


def _checkpoint_to_resume(run: RunDir, resume: str | None) -> Path | None:
    if resume == "auto":
        return run.last_checkpoint if run.last_checkpoint.exists() else None
    if resume is None and run.last_checkpoint.exists():
        raise ConfigError(
            f"{run.path} already holds a run; go on with it by --resume auto, or choose another "
            "--output"
        )
    return Path(resume) if resume is not None else None


def _is_due(done: int, every: int) -> bool:
    return every > 0 and done % every == 0


def _score_source(
    model: Segmenter, config: RunConfig, labels: LabelSet, datasets_root: Path, run: RunDir
) -> dict[str, float]:
    """Score held-out source frames on all ranks; return the headline numbers."""
    if config.data.val is None:
        return {}
    scores = score(
        model,
        config.data.val,
        classes=config.data.classes,
        class_names=labels.class_names,
        datasets_root=datasets_root,
        device=model.pixel_mean.device,
        options=inference_options(config),
    )
    model.train()
    if distributed.is_main():
        write_json(run.scores_file(set_name(config.data.val)), scores.to_dict())
    return {"val_miou": scores.miou, "val_pixel_accuracy": scores.pixel_accuracy}
