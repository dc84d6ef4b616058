"""Where the time of an update goes: a few updates of a real training under ``torch.profiler``.

A folder gets seconds by part of an update and by operator, memory, how fast the loader is by
itself, and a trace. No run folder is touched.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from segibn import distributed, provenance
from segibn.config.schema import RunConfig
from segibn.data.loader import TrainLoader
from segibn.devices import default_device
from segibn.engine.failures import explained_failures
from segibn.engine.precision import describe_precision
from segibn.engine.run_data import index_run
from segibn.engine.train import build_model
from segibn.engine.trial import PartClock, kept_bytes
from segibn.engine.update import PARTS, Batch, Updater
from segibn.files import atomic_path, writable_folder, write_json, write_text
from segibn.text import counted

WAITING, READING, REST = "waiting for data", "waiting for the device", "rest"
"""What else the training loop does: wait for a batch; wait for the update before the last launched
one; set the learning rate, count pixels and the like."""

TRACE_FILE = "trace.json.gz"
_OPERATORS = 15
_AFTERWARDS = 1000
"""Batches that a run must still have when the profile is over: for the loader by itself."""


@dataclass(frozen=True)
class Row:
    """Seconds of an update that went into one thing."""

    name: str
    """A part of the loop, or an operator without those that it calls."""
    calls: float
    """In an update."""
    host_s: float
    device_s: float | None
    """Of the GPU: a part's time in its stream, an operator's kernels; None on a CPU."""


@dataclass(frozen=True)
class StepProfile:
    """What an update of this process takes, and where."""

    steps: int
    """Updates under the profiler."""
    samples: int
    """Of an update of this process."""
    processes: int
    device: str
    """"cpu" or the GPU's name."""
    precision: str
    seconds: float
    """Of an update, the profiler's own time included."""
    data_wait: float
    """Share of it that the training waited for the loader."""
    gpu_busy: float | None
    """Share of it that the GPU computed; None on a CPU."""
    loader_workers: int
    loader_samples_per_s: float
    """How fast the loader is when nothing else is done, its store of batches used up before."""
    memory_bytes: int
    """At the highest point on a GPU; on a CPU what a micro-batch keeps for its backward pass."""
    parts: tuple[Row, ...]
    """In the order of an update, `REST` last; they add up to ``seconds``."""
    operators: tuple[Row, ...]
    """Those that took longest by themselves."""


def profile_run(
    config: RunConfig, datasets_root: Path, folder: Path, *, steps: int, warmup: int
) -> str:
    """Train for a few updates on every rank; the first writes the files. -> the tables as text."""
    writable_folder(folder)
    found = profile_steps(
        config, datasets_root=datasets_root, trace=folder / TRACE_FILE, steps=steps, warmup=warmup
    )
    text = format_profile(config.name, found)
    if distributed.is_main():
        write_text(folder / "profile.txt", text)
        origin = {
            "command": provenance.command_line(),
            "git_revision": provenance.git_revision(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        }
        write_json(folder / "profile.json", {"config": config.name, **asdict(found), **origin})
    return text


def profile_steps(
    config: RunConfig, *, datasets_root: Path, trace: Path, steps: int, warmup: int
) -> StepProfile:
    """Train for a few updates; runs on every rank of a torchrun launch, or in a single process.

    Args:
        trace: ``*.json`` or ``*.json.gz``, written by the main rank: for chrome://tracing or
            Perfetto.
        steps: updates under the profiler.
        warmup: updates before.

    Raises:
        SegibnError: as `train`.
    """
    device = default_device()
    is_cuda = device.type == "cuda"
    found = index_run(config, datasets_root)
    longest = max(config.optim.iterations, warmup + steps + _AFTERWARDS)
    optim = config.optim.model_copy(update={"iterations": longest})
    config = config.model_copy(update={"optim": optim})
    with distributed.process_group(device):
        updater = Updater(
            config, build_model(config, found.labels, device), found.labels.class_names
        )
        loader = found.build_loader(config, datasets_root)
        batches = iter(loader)
        with explained_failures(config, updater.plan.micro_batch):
            memory = 0 if is_cuda else kept_bytes(updater, next(batches), 0)
            for iteration in range(warmup):
                updater.update(next(batches), iteration).read()
            recorded, clock, seconds = _profile(updater, batches, range(warmup, warmup + steps))
        memory = torch.cuda.max_memory_allocated(device) if is_cuda else memory
        speed = _samples_per_s(loader, batches, updater.plan.per_process)
        distributed.barrier()
    if distributed.is_main():
        with atomic_path(trace) as temporary:
            recorded.export_chrome_trace(str(temporary))
    return StepProfile(
        steps=steps,
        samples=updater.plan.per_process,
        processes=distributed.rank_and_world()[1],
        device=torch.cuda.get_device_name(device) if is_cuda else "cpu",
        precision=describe_precision(config.engine.precision, updater.dtype),
        seconds=seconds / steps,
        data_wait=clock.host_s[WAITING] / seconds,
        gpu_busy=_kernel_seconds(recorded) / seconds if is_cuda else None,
        loader_workers=loader.num_workers,
        loader_samples_per_s=speed,
        memory_bytes=memory,
        parts=_parts(clock, seconds, steps),
        operators=_operators(recorded, steps, is_cuda),
    )


def _profile(
    updater: Updater, batches: Iterator[Batch], iterations: range
) -> tuple[profile, PartClock, float]:
    """Do updates as the training loop does them; return the profile and the time of all."""
    activities = [ProfilerActivity.CPU]
    if updater.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
        torch.cuda.synchronize(updater.device)
        torch.cuda.reset_peak_memory_stats(updater.device)
    updater.part = clock = PartClock(updater.device)
    pending = None
    with profile(activities=activities, profile_memory=True) as recorded:
        start = time.perf_counter()
        for iteration in iterations:
            with clock(WAITING):
                batch = next(batches)
            launched = updater.update(batch, iteration)
            if pending is not None:
                with clock(READING):
                    pending.read()
            pending = launched
        with clock(READING):
            pending.read()
        seconds = time.perf_counter() - start
    updater.part = nullcontext
    return recorded, clock, seconds


def _samples_per_s(loader: TrainLoader, batches: Iterator[Batch], samples: int) -> float:
    """The loader's speed without a training: first its store is used up, then it is timed."""
    for _ in range(loader.num_workers * (loader.prefetch_factor or 0)):
        next(batches)
    count = max(4, 2 * loader.num_workers)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * samples / (time.perf_counter() - start)


def _parts(clock: PartClock, seconds: float, steps: int) -> tuple[Row, ...]:
    rows = []
    for name in (WAITING, *PARTS, READING):
        if calls := clock.calls[name]:  # a run without a moving average has no such part
            on_gpu = clock.device_s(name)
            on_gpu = None if on_gpu is None else on_gpu / steps
            rows.append(Row(name, calls / steps, clock.host_s[name] / steps, on_gpu))
    rest = max(0.0, seconds / steps - sum(row.host_s for row in rows))
    return (*rows, Row(REST, 1.0, rest, None if rows[0].device_s is None else 0.0))


def _operators(recorded: profile, steps: int, is_cuda: bool) -> tuple[Row, ...]:
    """The operators that took longest by themselves: on the GPU where there is one."""
    rows = [
        Row(
            event.key,
            event.count / steps,
            event.self_cpu_time_total / 1e6 / steps,
            event.self_device_time_total / 1e6 / steps if is_cuda else None,
        )
        for event in recorded.key_averages()
        if event.device_type == DeviceType.CPU and not event.is_user_annotation
    ]
    rows.sort(key=lambda row: row.device_s if is_cuda else row.host_s, reverse=True)
    return tuple(rows[:_OPERATORS])


def _kernel_seconds(recorded: profile) -> float:
    return (
        sum(
            event.self_device_time_total
            for event in recorded.key_averages()
            if event.device_type == DeviceType.CUDA and not event.is_user_annotation
        )
        / 1e6
    )


def format_profile(name: str, found: StepProfile) -> str:
    """Return the tables of a profile, 80 columns wide."""
    processes = f"{found.processes} processes, " if found.processes > 1 else ""
    workers = found.loader_workers or "no"
    busy = "" if found.gpu_busy is None else f"GPU busy: {found.gpu_busy:.1%} of the time\n"
    head = (
        f"{name}: {counted(found.steps, 'update')} of {counted(found.samples, 'sample')}, "
        f"{processes}{found.device}, {found.precision}\n"
        f"{1000 * found.seconds:.1f} ms an update, {found.samples / found.seconds:.1f} samples/s; "
        f"{found.data_wait:.1%} of the time waiting for data\n"
        f"loader by itself: {found.loader_samples_per_s:.1f} samples/s, {workers} loader "
        f"{'process' if found.loader_workers == 1 else 'processes'}\n"
        f"{busy}memory: {found.memory_bytes / 2**20:.0f} MiB "
        f"{'kept for a backward pass' if found.device == 'cpu' else 'at the highest point'}\n"
    )
    tables = (_table("part of an update", found.parts, found.seconds),)
    tables += (_table("operator, by itself", found.operators, found.seconds),)
    return "\n".join([head, *tables])


def _table(title: str, rows: Sequence[Row], whole: float) -> str:
    on_gpu = any(row.device_s is not None for row in rows)
    lines = [
        f"{title:<44}{'calls':>7}{'ms':>10}{'share':>8}" + (f"{'GPU ms':>11}" if on_gpu else "")
    ]
    for row in rows:
        line = (
            f"{row.name[:43]:<44}{row.calls:>7.0f}{1000 * row.host_s:>10.2f}"
            f"{row.host_s / whole:>8.1%}"
        )
        lines.append(line + (f"{1000 * (row.device_s or 0):>11.2f}" if on_gpu else ""))
    return "\n".join(lines) + "\n"
