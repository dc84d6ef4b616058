"""``optim.global_batch_size: auto``: how many samples fit, by trying, before a run begins."""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from segibn import distributed
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.plan import BatchPlan
from segibn.devices import default_device
from segibn.engine.failures import explained_failures
from segibn.engine.run_data import index_run
from segibn.engine.train import build_model
from segibn.engine.trial import kept_bytes, memory_of
from segibn.engine.update import Batch, Updater
from segibn.errors import ConfigError

logger = logging.getLogger(__name__)

LEAST, MOST = 2, 256  # samples of a process; some heads cannot be trained on one
_OF_A_DEVICE = 0.9  # of a GPU's memory: what is in pieces cannot be used
_OF_A_MACHINE = 0.6  # of the memory that a CPU has free: frames and loaders need theirs


def fit_batch(config: RunConfig, datasets_root: Path, output: Path, resume: str | None) -> RunConfig:
    """Return a config whose batch is a number; on every rank the same.

    A power of two for each process: on a GPU the largest with which updates at ``data.crop_size``
    succeed, on a CPU by what a sample keeps for its gradient. A run that is resumed has its own.
    ConfigError: not even two samples fit.
    """
    if config.optim.global_batch_size != "auto":
        return config
    kept = output / "config.yaml"
    if resume is not None and kept.is_file():
        count = load_config(kept).optim.global_batch_size
    else:
        _, world = distributed.rank_and_world()
        count = world * _samples_that_fit(_with_batch(config, LEAST * world), datasets_root)
        logger.info("optim.global_batch_size: %d, %d for each process", count, count // world)
    return _with_batch(config, count)


def _with_batch(config: RunConfig, count: int | str) -> RunConfig:
    return config.model_copy(update={"optim": config.optim.model_copy(update={"global_batch_size": count})})


def _samples_that_fit(config: RunConfig, datasets_root: Path) -> int:
    device = default_device()
    data = index_run(config, datasets_root)
    with distributed.process_group(device), explained_failures(config, LEAST):
        model = build_model(config, data.labels, device, resuming=True)  # weights change no size
        updater = Updater(config, model, data.labels.class_names, data.groups)
        fits = partial(_fits_on_gpu, updater) if device.type == "cuda" else _fits_in_memory(updater)
        count = LEAST
        while count <= MOST and not distributed.any_rank(not fits(count)):
            count *= 2
    if count == LEAST:
        raise ConfigError(
            f"optim.global_batch_size auto: not even {LEAST} crops of {config.data.crop_size} fit; make data.crop_size "
            "smaller, or write a number and set engine.max_micro_batch to 1"
        )
    return count // 2


def _batch(updater: Updater, count: int) -> Batch:
    height, width = updater.config.data.crop_size
    image = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)
    target = torch.randint(0, updater.model.num_classes, (count, height, width), dtype=torch.uint8)
    return {"image": image, "target": target, "name": [""] * count}


def _fits_on_gpu(updater: Updater, count: int) -> bool:
    updater.plan = BatchPlan(count, 1)
    batch = _batch(updater, count)
    batch |= {key: batch[key].pin_memory() for key in ("image", "target")}
    try:
        for iteration in range(2):  # the optimiser has its state from the first on
            updater.update(batch, iteration).read()
    except torch.OutOfMemoryError:
        updater.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        return False
    taken = torch.cuda.max_memory_reserved(updater.device)
    return taken <= _OF_A_DEVICE * torch.cuda.get_device_properties(updater.device).total_memory


def _fits_in_memory(updater: Updater) -> Callable[[int], bool]:
    free = _OF_A_MACHINE * available_bytes()
    updater.plan = BatchPlan(LEAST, 1)
    of_a_sample = kept_bytes(updater, _batch(updater, LEAST), 0) / LEAST
    return lambda count: sum(memory_of(updater, round(count * of_a_sample)).values()) <= free


def available_bytes() -> int:
    """Memory that programs can still have on this machine, for each process of it."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return free // processes
