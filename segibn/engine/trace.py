"""Reads what ``torch.profiler`` recorded: where the time of an update went, how memory grew.

Comes in: a profile, by way of its Chrome trace, the profiler's one stable format (times in
microseconds). Goes out: seconds of named ranges, on the host and on the device, and a peak in
bytes. Knows nothing of what was profiled.
"""

import gzip
import json
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

Event = dict[str, Any]
_ON_DEVICE = {"kernel", "gpu_memcpy", "gpu_memset"}
_LAUNCHES = {"cuda_runtime", "cuda_driver"}


@contextmanager
def profiled(device: torch.device) -> Iterator[profile]:
    """Record the block with memory; on CUDA its kernels too."""
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, profile_memory=True) as recorded:
        yield recorded
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # its kernels belong to the block


def events_of(recorded: profile) -> list[Event]:
    """Return the events of a profile that has ended, by way of a temporary file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        return read_events(path)


def read_events(path: Path) -> list[Event]:
    """Read the events of a Chrome trace, plain or gzipped."""
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)["traceEvents"]


def host_seconds(events: Sequence[Event], names: Sequence[str]) -> dict[str, float]:
    """Return how long the host was in each named range, all its visits together."""
    return {name: sum(stop - start for start, stop in _spans(events, name)) / 1e6 for name in names}


def device_seconds(events: Sequence[Event], names: Sequence[str]) -> dict[str, float]:
    """Return how long the device computed what was launched in each named range.

    A kernel belongs to the range in which the host launched it, from whatever thread: autograd
    launches the backward pass from a thread of its own while the range waits for it.
    """
    launched = {
        event["args"]["correlation"]: event["ts"]
        for event in events
        if event.get("cat") in _LAUNCHES and "correlation" in event.get("args", {})
    }
    kernels = sorted(
        (launched[event["args"]["correlation"]], event["dur"])
        for event in events
        if event.get("cat") in _ON_DEVICE and event["args"].get("correlation") in launched
    )
    at = [time for time, _ in kernels]
    return {
        name: sum(
            duration
            for start, stop in _spans(events, name)
            for _, duration in kernels[bisect_right(at, start) : bisect_right(at, stop)]
        )
        / 1e6
        for name in names
    }


def peak_growth(events: Sequence[Event], until: str | None = None) -> int:
    """Return by how many bytes the tensors in main memory grew at most beyond those at the start.

    Args:
        events: of a profile with memory.
        until: name of a range; only what comes before its first visit counts.
    """
    starts = [] if until is None else [start for start, _ in _spans(events, until)]
    end = min(starts, default=float("inf"))
    changes = sorted(
        (event["ts"], event["args"]["Ev Idx"], event["args"]["Bytes"])
        for event in events
        if event.get("name") == "[memory]" and event["args"]["Device Type"] == 0
    )
    held = peak = 0
    for time, _, size in changes:
        if time >= end:
            break
        held += size
        peak = max(peak, held)
    return peak


def _spans(events: Sequence[Event], name: str) -> list[tuple[float, float]]:
    """Start and stop of every visit of the host to a range."""
    return [
        (event["ts"], event["ts"] + event["dur"])
        for event in events
        if event.get("cat") == "user_annotation" and event.get("name") == name
    ]
