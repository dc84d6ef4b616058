"""Where the time of an update goes: a few updates of a real training under ``torch.profiler``."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from segibn import distributed, provenance
from segibn.builders.loader import build_train_loader
from segibn.config.schema import RunConfig
from segibn.data.loader import TrainLoader
from segibn.devices import default_device
from segibn.engine.failures import explained_failures
from segibn.engine.precision import describe_precision
from segibn.engine.run_data import index_run
from segibn.engine.train import build_model
from segibn.engine.trial import PartClock, kept_bytes
from segibn.engine.update import PARTS, Batch, Updater
from segibn.files.writing import atomic_path, writable_folder, write_json, write_text
from segibn.text import counted

# What else the loop does: wait for a batch; for the update before the last launched one; the rest.
WAITING, READING, REST = "waiting for data", "waiting for the device", "rest"
TRACE_FILE = "trace.json.gz"
_OPERATORS = 15
_AFTERWARDS = 1000  # batches that a run must still have, for the loader by itself

Row = dict[str, Any]
"""What went into one part of the loop, or one operator without those that it calls, per update:
name, calls, host_s, and device_s (a part's time in the GPU's stream, an operator's kernels)."""


def profile_run(
    config: RunConfig, datasets_root: Path, folder: Path, *, steps: int, warmup: int
) -> str:
    """Train for a few updates on every rank; the first writes the files. -> the tables as text."""
    writable_folder(folder)
    device = default_device()
    is_cuda = device.type == "cuda"
    data = index_run(config, datasets_root)
    longest = max(config.optim.iterations, warmup + steps + _AFTERWARDS)
    optim = config.optim.model_copy(update={"iterations": longest})
    config = config.model_copy(update={"optim": optim})
    with distributed.process_group(device):
        model = build_model(config, data.labels, device)
        updater = Updater(config, model, data.labels.class_names)
        loader = build_train_loader(config, data.sets, datasets_root=datasets_root)
        batches = iter(loader)
        with explained_failures(config, updater.plan.micro_batch):
            memory = 0 if is_cuda else kept_bytes(updater, next(batches), 0)
            for iteration in range(warmup):
                updater.update(next(batches), iteration).read()
            recorded, clock, seconds = _profile(updater, batches, range(warmup, warmup + steps))
        memory = torch.cuda.max_memory_allocated(device) if is_cuda else memory
        speed = _samples_per_s(loader, batches, updater.plan.per_process)
        distributed.barrier()
    events = [event for event in recorded.key_averages() if not event.is_user_annotation]
    kernels = [event for event in events if event.device_type == DeviceType.CUDA]
    kernels_s = sum(event.self_device_time_total for event in kernels) / 1e6
    found = {
        "steps": steps,
        "samples": updater.plan.per_process,
        "processes": distributed.rank_and_world()[1],
        "device": torch.cuda.get_device_name(device) if is_cuda else "cpu",
        "precision": describe_precision(config.engine.precision, updater.dtype),
        "seconds": seconds / steps,
        "data_wait": clock.host_s[WAITING] / seconds,
        "gpu_busy": kernels_s / seconds if is_cuda else None,
        "loader_workers": loader.num_workers,
        "loader_samples_per_s": speed,
        "memory_bytes": memory,
        "parts": _parts(clock, seconds, steps),
        "operators": _operators(events, steps, is_cuda),
    }
    text = format_profile(config.name, found)
    if distributed.is_main():
        with atomic_path(folder / TRACE_FILE) as temporary:
            recorded.export_chrome_trace(str(temporary))
        write_text(folder / "profile.txt", text)
        content = {"config": config.name, **found, **provenance.origin()}
        write_json(folder / "profile.json", content)
    return text


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


def _parts(clock: PartClock, seconds: float, steps: int) -> list[Row]:
    """In the order of an update, `REST` last; on the host they add up to its seconds."""
    rows = []
    for name in (WAITING, *PARTS, READING):
        if calls := clock.calls[name]:  # a run without a moving average has no such part
            device_s = clock.device_s(name)
            row = {"name": name, "calls": calls / steps, "host_s": clock.host_s[name] / steps}
            rows.append({**row, "device_s": None if device_s is None else device_s / steps})
    rest = max(0.0, seconds / steps - sum(row["host_s"] for row in rows))
    on_gpu = None if rows[0]["device_s"] is None else 0.0
    return [*rows, {"name": REST, "calls": 1.0, "host_s": rest, "device_s": on_gpu}]


def _operators(events: Sequence[Any], steps: int, is_cuda: bool) -> list[Row]:
    """The operators that took longest by themselves: on the GPU where there is one."""
    rows = [
        {
            "name": event.key,
            "calls": event.count / steps,
            "host_s": event.self_cpu_time_total / 1e6 / steps,
            "device_s": event.self_device_time_total / 1e6 / steps if is_cuda else None,
        }
        for event in events
        if event.device_type == DeviceType.CPU
    ]
    rows.sort(key=lambda row: row["device_s" if is_cuda else "host_s"], reverse=True)
    return rows[:_OPERATORS]


def format_profile(name: str, found: Mapping[str, Any]) -> str:
    """Return the tables of a profile, as profile.json has it, 80 columns wide."""
    processes = f"{found['processes']} processes, " if found["processes"] > 1 else ""
    workers = counted(found["loader_workers"], "loader process", "loader processes")
    busy = "" if found["gpu_busy"] is None else f"GPU busy: {found['gpu_busy']:.1%} of the time\n"
    held = "kept for a backward pass" if found["device"] == "cpu" else "at the highest point"
    head = (
        f"{name}: {counted(found['steps'], 'update')} of {counted(found['samples'], 'sample')}, "
        f"{processes}{found['device']}, {found['precision']}\n"
        f"{1000 * found['seconds']:.1f} ms an update, {found['samples'] / found['seconds']:.1f} "
        f"samples/s; {found['data_wait']:.1%} of the time waiting for data\n"
        f"loader by itself: {found['loader_samples_per_s']:.1f} samples/s, {workers}\n"
        f"{busy}memory: {found['memory_bytes'] / 2**20:.0f} MiB {held}\n"
    )
    tables = {"part of an update": "parts", "operator, by itself": "operators"}
    return "\n".join([head, *(_table(k, found[v], found["seconds"]) for k, v in tables.items())])


def _table(title: str, rows: Sequence[Row], whole: float) -> str:
    on_gpu = any(row["device_s"] is not None for row in rows)
    lines = [f"{title:<44}{'calls':>7}{'ms':>10}{'share':>8}" + f"{'GPU ms':>11}" * on_gpu]
    for row in rows:
        name, calls, host_s, device_s = row.values()
        line = f"{name[:43]:<44}{calls:>7.0f}{1000 * host_s:>10.2f}{host_s / whole:>8.1%}"
        lines.append(line + f"{1000 * (device_s or 0):>11.2f}" * on_gpu)
    return "\n".join(lines) + "\n"
