"""Reading a profile: which kernels belong to a range, how far tensors grew."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from torch.profiler import record_function

from segibn.engine.trace import (
    device_seconds,
    events_of,
    host_seconds,
    peak_growth,
    profiled,
    read_events,
)

MIB = 2**20


def annotation(name: str, start: int, duration: int) -> dict:
    return {"cat": "user_annotation", "name": name, "ph": "X", "ts": start, "dur": duration}


def launch(correlation: int, at: int, kind: str = "cuda_runtime", thread: int = 1) -> dict:
    return {"cat": kind, "name": "launch", "ts": at, "tid": thread, "dur": 1} | {
        "args": {"correlation": correlation}
    }


def kernel(correlation: int, at: int, duration: int, kind: str = "kernel") -> dict:
    return {"cat": kind, "name": "k", "ts": at, "dur": duration} | {
        "args": {"correlation": correlation}
    }


def test_kernels_belong_to_the_range_that_launched_them_from_any_thread() -> None:
    events = [
        annotation("forward", 0, 100),
        annotation("backward", 100, 100),
        annotation("forward", 300, 50),
        launch(1, 10),
        launch(2, 90, "cuda_driver"),
        launch(3, 150, thread=2),  # autograd's own thread
        launch(4, 320),
        launch(5, 260),  # in no range
        kernel(1, 15, 40),
        kernel(2, 120, 50),  # runs while the host is in "backward" already
        kernel(3, 170, 300),
        kernel(4, 500, 7),
        kernel(5, 510, 1000),
        kernel(6, 0, 1000, "gpu_memcpy"),  # launched before the profile began
    ]
    found = device_seconds(events, ("forward", "backward", "loss"))
    assert found == pytest.approx({"forward": 97e-6, "backward": 300e-6, "loss": 0})
    assert host_seconds(events, ("forward", "loss")) == pytest.approx(
        {"forward": 150e-6, "loss": 0}
    )


def test_growth_is_the_highest_sum_of_what_came_and_went() -> None:
    with profiled(torch.device("cpu")) as recorded:
        first = torch.empty(3 * MIB, dtype=torch.uint8)
        second = torch.empty(2 * MIB, dtype=torch.uint8)
        del first
        with record_function("later"):
            third = torch.empty(8 * MIB, dtype=torch.uint8)
        del second, third
    events = events_of(recorded)
    assert peak_growth(events) / MIB == pytest.approx(10, rel=1e-3)
    assert peak_growth(events, until="later") / MIB == pytest.approx(5, rel=1e-3)
    assert peak_growth(events, until="never") == peak_growth(events)
    assert set(host_seconds(events, ("later",))) == {"later"}


def test_traces_are_read_plain_and_gzipped(tmp_path: Path) -> None:
    content = json.dumps({"traceEvents": [annotation("loss", 0, 5)]}).encode()
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(content))
    assert read_events(tmp_path / "a.json") == read_events(tmp_path / "a.json.gz")
