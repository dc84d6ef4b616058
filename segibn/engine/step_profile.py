"""Where the time of an update goes: a few updates of a real training under ``torch.profiler``.

Comes in: a config and the folder above the data sets. Goes out: seconds by part of an update and by
operator, memory, how fast the loader is by itself, and a trace. No run folder is touched.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import profile, record_function

from segibn import distributed
from segibn.config.schema import RunConfig
from segibn.data.loader import TrainLoader
from segibn.devices import default_device
from segibn.engine.failures import explained_failures
from segibn.engine.precision import describe_precision
from segibn.engine.run_data import index_run
from segibn.engine.trace import (
    Event,
    device_seconds,
    host_seconds,
    peak_growth,
    profiled,
    read_events,
)
from segibn.engine.train import build_model
from segibn.engine.update import PARTS, Batch, Updater
from segibn.files import atomic_path

WAITING, READING, REST = "waiting for data", "waiting for the device", "rest"
"""What else the training loop does: wait for a batch; wait for the update before the last launched
one; set the learning rate, count pixels and the like."""

_OPERATORS = 15
_AFTERWARDS = 1000
"""Batches that a run must still have when the profile is over: for the loader by itself."""


@dataclass(frozen=True)
class Row:
    """Seconds of an update that went into one thing.

    Attributes:
        name: a part of the loop, or an operator without those that it calls.
        calls: in an update.
        host_s: of the process.
        device_s: of the GPU, for what the process launched there; None on a CPU.
    """

    name: str
    calls: float
    host_s: float
    device_s: float | None


@dataclass(frozen=True)
class StepProfile:
    """What an update of this process takes, and where.

    Attributes:
        steps: updates under the profiler.
        samples: of an update of this process.
        processes: of the run.
        device: "cpu" or the GPU's name.
        precision: what is computed in.
        seconds: of an update, the profiler's own time included.
        data_wait: share of it that the training waited for the loader.
        loader_workers: its processes.
        loader_samples_per_s: how fast the loader is when nothing else is done, its store of batches
            used up before.
        memory_bytes: at the highest point. On a GPU all that is held there; on a CPU tensors beyond
            weights, optimiser and moving average.
        parts: in the order of an update, `REST` last; they add up to ``seconds``.
        operators: those that took longest by themselves.
    """

    steps: int
    samples: int
    processes: int
    device: str
    precision: str
    seconds: float
    data_wait: float
    loader_workers: int
    loader_samples_per_s: float
    memory_bytes: int
    parts: tuple[Row, ...]
    operators: tuple[Row, ...]

    @property
    def gpu_busy(self) -> float | None:
        """Share of the time that the GPU computed; None on a CPU."""
        on_gpu = [row.device_s for row in self.parts if row.device_s is not None]
        return sum(on_gpu) / self.seconds if on_gpu else None


def profile_steps(
    config: RunConfig, *, datasets_root: Path, trace: Path, steps: int, warmup: int
) -> StepProfile:
    """Train for a few updates; runs on every rank of a torchrun launch, or in a single process.

    Args:
        config: of the run.
        datasets_root: the folder above the data sets.
        trace: ``*.json`` or ``*.json.gz``, written by the main rank: for chrome://tracing or
            Perfetto.
        steps: updates under the profiler.
        warmup: updates before.

    Raises:
        SegibnError: as `train`.
    """
    device = default_device()
    found = index_run(config, datasets_root)
    _, world = distributed.rank_and_world()
    config = _lengthened(config, warmup + steps + _AFTERWARDS)
    with distributed.process_group(device):
        model = build_model(config, found.labels, device)
        updater = Updater(config, model, found.labels.class_names)
        loader = found.build_loader(config, datasets_root)
        batches = iter(loader)
        with explained_failures(config, updater.plan.micro_batch):
            for iteration in range(warmup):
                updater.update(next(batches), iteration).read()
            recorded, seconds = _profile(updater, batches, range(warmup, warmup + steps))
        speed = _samples_per_s(loader, batches, updater.plan.per_process)
        distributed.barrier()
    events = _export(recorded, trace) if distributed.is_main() else []
    memory = peak_growth(events)
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    parts = _parts(events, seconds, steps, device)
    return StepProfile(
        steps=steps,
        samples=updater.plan.per_process,
        processes=world,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        precision=describe_precision(config.engine.precision, updater.dtype),
        seconds=seconds / steps,
        data_wait=parts[0].host_s * steps / seconds,
        loader_workers=loader.num_workers,
        loader_samples_per_s=speed,
        memory_bytes=memory,
        parts=parts,
        operators=_operators(recorded, steps, device),
    )


def _profile(
    updater: Updater, batches: Iterator[Batch], iterations: Sequence[int]
) -> tuple[profile, float]:
    """Do updates as the training loop does them; return the profile and the time of all."""
    updater.part = record_function
    updater.optimizer.zero_grad(set_to_none=True)  # freeing them would hide what comes instead
    if updater.device.type == "cuda":
        torch.cuda.synchronize(updater.device)
        torch.cuda.reset_peak_memory_stats(updater.device)
    pending = None
    with profiled(updater.device) as recorded:
        start = time.perf_counter()
        for iteration in iterations:
            with record_function(WAITING):
                batch = next(batches)
            launched = updater.update(batch, iteration)
            if pending is not None:
                with record_function(READING):
                    pending.read()
            pending = launched
        with record_function(READING):
            pending.read()
        seconds = time.perf_counter() - start
    return recorded, seconds


def _lengthened(config: RunConfig, iterations: int) -> RunConfig:
    """The config with at least so many iterations, for a loader that does not run out."""
    longest = max(config.optim.iterations, iterations)
    optim = config.optim.model_copy(update={"iterations": longest})
    return config.model_copy(update={"optim": optim})


def _samples_per_s(loader: TrainLoader, batches: Iterator[Batch], samples: int) -> float:
    """The loader's speed without a training: first its store is used up, then it is timed."""
    for _ in range(loader.num_workers * (loader.prefetch_factor or 0)):
        next(batches)
    count = max(4, 2 * loader.num_workers)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * samples / (time.perf_counter() - start)


def _export(recorded: profile, trace: Path) -> list[Event]:
    with atomic_path(trace) as temporary:
        recorded.export_chrome_trace(str(temporary))
    return read_events(trace)


def _parts(
    events: Sequence[Event], seconds: float, steps: int, device: torch.device
) -> tuple[Row, ...]:
    names = (WAITING, *PARTS, READING)
    host = host_seconds(events, names)
    on_gpu = device_seconds(events, names) if device.type == "cuda" else None
    rows = [
        Row(
            name,
            sum(event.get("name") == name and event.get("ph") == "X" for event in events) / steps,
            host[name] / steps,
            None if on_gpu is None else on_gpu[name] / steps,
        )
        for name in names
    ]
    rows = [row for row in rows if row.calls]  # a run without a moving average has no such part
    rest = max(0.0, seconds - sum(host.values())) / steps
    return (*rows, Row(REST, 1.0, rest, None if on_gpu is None else 0.0))


def _operators(recorded: profile, steps: int, device: torch.device) -> tuple[Row, ...]:
    """The operators that took longest by themselves: on the GPU where there is one."""
    on_gpu = device.type == "cuda"
    rows = [
        Row(
            event.key,
            event.count / steps,
            event.self_cpu_time_total / 1e6 / steps,
            event.self_device_time_total / 1e6 / steps if on_gpu else None,
        )
        for event in recorded.key_averages()
        if event.device_type == DeviceType.CPU and not event.is_user_annotation
    ]
    rows.sort(key=lambda row: row.device_s if on_gpu else row.host_s, reverse=True)
    return tuple(rows[:_OPERATORS])
