"""All that a training does before its first update, and one update tried; nothing is kept of it.

In: what `train` takes. Out: what the training would need. Nothing is written but what a training
also keeps beside the data sets and in torch's folder of downloaded weights.
"""

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from segibn import distributed
from segibn.builders.loader import loader_workers
from segibn.builders.models import describe
from segibn.builders.sampling import index_cost
from segibn.config.sampling import UniformSampling
from segibn.config.schema import RunConfig
from segibn.config.set_names import set_name
from segibn.data.batch_plan import BatchPlan, plan_batch
from segibn.data.loader import collate
from segibn.devices import default_device
from segibn.engine.checkpoint import resume_training
from segibn.engine.disk import Disk, require_disk
from segibn.engine.failures import explained_failures
from segibn.engine.precision import describe_precision
from segibn.engine.run_data import RunData, index_run
from segibn.engine.run_dir import open_run
from segibn.engine.train import build_model, require_same_start
from segibn.engine.trial import Trial, try_update
from segibn.engine.update import Batch, Updater
from segibn.errors import ConfigError
from segibn.files import writable_folder
from segibn.labels.label_set import IGNORE_INDEX

_DECODED = 4  # training samples that a dry run on a CPU reads, at most
_SHORT_S = 20.0
"""An index of classes that takes less is built at once; of a longer one the cost is told."""


@dataclass(frozen=True)
class DryRun:
    """What a training would train on, and what it would take."""

    config: RunConfig
    sets: tuple[tuple[str, str, int], ...]
    """(role, name, samples) of every data set; the role is "train", "mix 25 %" or "val"."""
    class_names: tuple[str, ...]
    network: str
    start: str
    """Where its weights come from."""
    unindexed: dict[str, float]
    """Sets whose index of classes will be built at the start -> estimated seconds."""
    cached_gib: float
    """Of the frames that are kept in memory; 0 without."""
    processes: int
    plan: BatchPlan
    device: str
    device_memory: int
    """Bytes that it has; 0 where nobody tells."""
    precision: str
    trial: Trial
    sample_s: float
    """Seconds to read and augment a sample, on one core."""
    workers: int
    """Loader processes of each training process."""
    first_iteration: int
    disk: Disk
    warnings: tuple[str, ...]
    """What is no mistake, but may be meant otherwise."""

    @property
    def loading_s(self) -> float:
        """Seconds that the loader needs for the batch of an update; 0 for frames in memory."""
        if self.cached_gib:
            return 0.0
        return self.plan.per_process * self.sample_s / max(1, self.workers)

    @property
    def update_s(self) -> float:
        """Seconds from one update to the next: loader processes work ahead meanwhile."""
        if self.workers == 0:
            return self.trial.seconds + self.loading_s
        return max(self.trial.seconds, self.loading_s)

    @property
    def duration_s(self) -> float:
        """Seconds of all updates to come, scoring left out."""
        return (self.config.optim.iterations - self.first_iteration) * self.update_s


def dry_run(
    config: RunConfig, *, datasets_root: Path, output: Path, resume: str | None = None
) -> DryRun:
    """Check a training; takes, and runs on the ranks, what `train` does.

    Raises:
        SegibnError: whatever `train` would raise; or the disk has no room for the checkpoints.
    """
    device = default_device()
    found = index_run(config, datasets_root)
    run, checkpoint = open_run(output, resume)
    _, world = distributed.rank_and_world()
    writable_folder(output)
    workers, note = loader_workers(config, world)
    plan = plan_batch(config.optim.global_batch_size, world, config.engine.max_micro_batch)
    with distributed.process_group(device), explained_failures(config, plan.micro_batch):
        cost = index_cost(config.data, found.sets, datasets_root)
        unindexed = cost if distributed.any_rank(sum(cost.values()) > _SHORT_S) else {}
        model = build_model(config, found.labels, device, checkpoint is not None)
        updater = Updater(config, model, found.labels.class_names)
        first = 0 if checkpoint is None else resume_training(checkpoint, updater)
        require_same_start(run, first)
        if first == config.optim.iterations:
            raise ConfigError(f"{checkpoint} is the end of its run: nothing is left to train")
        count = plan.per_process if device.type == "cuda" else min(_DECODED, plan.per_process)
        batch, sample_s = _read_samples(config, found, datasets_root, count, bool(unindexed))
        if found.val is not None:
            next(iter(found.val), None)
        trial = try_update(updater, batch, first)
        disk = require_disk(updater, run)
    name, memory = _device(device)
    return DryRun(
        config=config,
        sets=_sets(config, found),
        class_names=found.labels.class_names,
        network=describe(model),
        start=_start(config, checkpoint, first),
        unindexed=unindexed,
        cached_gib=found.cached_gib,
        processes=world,
        plan=plan,
        device=name,
        device_memory=memory,
        precision=describe_precision(config.engine.precision, updater.dtype),
        trial=trial,
        sample_s=sample_s,
        workers=workers,
        first_iteration=first,
        disk=disk,
        warnings=(*([note] if note else []), *_warnings(batch, trial, memory)),
    )


def _read_samples(
    config: RunConfig, found: RunData, datasets_root: Path, count: int, is_unindexed: bool
) -> tuple[Batch, float]:
    """Read the first samples of this rank as its loader would; return the seconds of one too."""
    _, world = distributed.rank_and_world()
    data = {"workers": 0, "cache": "none" if config.data.cache == "memory" else config.data.cache}
    if is_unindexed:
        data["sampling"] = UniformSampling()
    optim = {"global_batch_size": count * world, "iterations": 1, "warmup_iterations": 0}
    changed = {
        "data": config.data.model_copy(update=data),
        "optim": config.optim.model_copy(update=optim),
    }
    loader = found.build_loader(config.model_copy(update=changed), datasets_root)
    samples, times = [], []
    for draw in next(iter(loader.batch_sampler)):
        start = time.perf_counter()
        samples.append(loader.dataset[draw])
        times.append(time.perf_counter() - start)
    return collate(samples), statistics.median(times[1:] or times)  # the first one may import


def _sets(config: RunConfig, found: RunData) -> tuple[tuple[str, str, int], ...]:
    data = config.data
    roles = ["train", *(f"mix {source.share:.0%}" for source in data.mix)]
    lines = [
        (role, set_name(dataset), len(one.samples))
        for role, dataset, one in zip(roles, data.sources, found.sets, strict=True)
    ]
    if data.val is not None and found.val is not None:
        lines.append(("val", set_name(data.val), len(found.val.samples)))
    return tuple(lines)


def _start(config: RunConfig, checkpoint: Path | None, first: int) -> str:
    if checkpoint is not None:
        return f"{checkpoint}, iteration {first}"
    if config.init_from is not None:
        return f"{config.init_from} (init_from)"
    weights = config.model.weights
    pretrained = "" if weights == "none" else f"; the backbone's from {weights}"
    return f"random, seed {config.seed}{pretrained}"


def _warnings(batch: Batch, trial: Trial, device_memory: int) -> list[str]:
    found = []
    if bool((batch["target"] == IGNORE_INDEX).all()):
        names = ", ".join(batch["name"])
        found.append(f"every pixel of the samples read is ignored ({names}); see the label table")
    if trial.is_estimate and 0 < device_memory < trial.memory.total:
        found.append("this machine has less memory than that; lower engine.max_micro_batch")
    return found


def _device(device: torch.device) -> tuple[str, int]:
    """Its name, and a GPU's memory or the machine's in bytes; 0 where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[1]
    threads = torch.get_num_threads()
    pages = (
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    )
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}", pages
