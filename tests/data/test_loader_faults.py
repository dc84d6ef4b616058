"""Loader processes that are killed, hang or lack shared memory: one line, no wait without end."""

import multiprocessing
import os
import signal
import time

import cv2
import pytest
from torch import Tensor
from torch.utils.data import Dataset

from segibn.builders import loader as build_loader
from segibn.builders.loader import loader_workers
from segibn.config.schema import RunConfig
from segibn.data import loader
from segibn.data.loader import TrainLoader, collate, make_loader
from segibn.data.plan import Plan, PositionSampler, Stream
from segibn.errors import ConfigError, SegibnError
from segibn.files.pool import map_in_processes

MIB = 2**20


class Painted(Dataset):
    """Small samples; the one at position 3 takes as long as ``seconds``, or raises."""

    cache = None

    def __init__(self, seconds: float = 0, error: Exception | None = None) -> None:
        self.seconds, self.error = seconds, error

    def __getitem__(self, draw):
        import torch

        if draw.position == 3:
            time.sleep(self.seconds)
            if self.error is not None:
                raise self.error
        image, target = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 4)
        return {"image": image, "target": target, "name": "a", "position": draw.position}


def of(dataset: Dataset, workers: int = 1) -> TrainLoader:
    sampler = PositionSampler(Plan((Stream(4),), seed=0), 1, end_iteration=50)
    return make_loader(dataset, sampler, workers=workers)


def children() -> list[int]:
    return [process.pid for process in multiprocessing.active_children()]


def test_a_killed_worker_shows_where_a_batch_is_waited_for_and_nowhere_else() -> None:
    """torch's own handler would raise in the middle of what follows the signal."""
    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(of(Painted()))
    next(batches)
    assert signal.getsignal(signal.SIGCHLD) == before
    (worker,) = children()
    os.kill(worker, signal.SIGKILL)
    time.sleep(0.3)
    with pytest.raises(SegibnError, match=r"killed.* want of memory.* data.workers \(now 1\)"):
        list(batches)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError("9 GiB"), "out of memory while loading"),
        (cv2.error("(-4:Insufficient memory) Failed to allocate"), "out of memory while loading"),
        (PermissionError(13, "Permission denied", "a/b.png"), "Permission denied: 'a/b.png'"),
        (OSError(24, "Too many open files", "a/b.png"), "ulimit -n"),
    ],
)
def test_what_a_worker_met_is_one_line(error: Exception, says: str) -> None:
    with pytest.raises(SegibnError) as caught:
        list(of(Painted(error=error)))
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_shared_memory_that_fills_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Tensor) -> Tensor:
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(Tensor, "share_memory_", full)  # the workers are forks
    with pytest.raises(SegibnError, match=r"/dev/shm.*fewer data.workers.*--shm-size"):
        next(iter(of(Painted())))
    assert not children()
    assert collate([Painted()[Plan((Stream(1),), seed=0).draw(0, 1)]])["name"] == ["a"]  # needs none itself


def test_a_wait_for_data_ends_with_a_signal_and_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_POLL_S", 0.1)
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.1)
    start = time.monotonic()
    stuck = of(Painted(seconds=600))
    assert len(list(stuck.until(lambda: True, grace_s=0.5))) == 3  # what is there is yielded
    monkeypatch.setattr(loader, "_PATIENCE_S", 0.3)
    with pytest.raises(SegibnError, match="no batch came for"):
        list(stuck)
    assert time.monotonic() - start < 60


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_processes_that_cannot_be_started_are_no_traceback(monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")  # as without /dev/shm

    monkeypatch.setattr("torch.multiprocessing.Queue", refuse)
    monkeypatch.setattr("multiprocessing.context.BaseContext.Queue", refuse)
    with pytest.raises(SegibnError, match=r"1 loader processes cannot be run.*or 0"):
        list(of(Painted()))


@pytest.mark.parametrize(("free", "workers"), [(None, 4), (400, 4), (100, 2), (7, 0), (0, 0)])
def test_automatic_workers_fit_into_shared_memory(
    monkeypatch: pytest.MonkeyPatch, free: int | None, workers: int
) -> None:
    """Batches of 4 MiB: four for each worker and two in use, for each of two processes."""
    config = RunConfig.model_validate(
        {
            "name": "a",
            "data": {"train": {"name": "gta5", "split": "train"}, "crop_size": [512, 512]},
            "optim": {"global_batch_size": 8, "iterations": 9},
        }
    )
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(build_loader, "auto_workers", lambda _: 4)
    monkeypatch.setattr(build_loader, "free_shared_memory", lambda: None if free is None else free * MIB)
    count, note = loader_workers(config, 2)
    assert count == workers
    assert ("/dev/shm" in note) == (workers < 4)
    asked = config.model_copy(update={"data": config.data.model_copy(update={"workers": 4})})
    if workers == 4:
        assert loader_workers(asked, 2) == (4, "")
        return
    with pytest.raises(ConfigError, match=f"has {free} MiB free.*need 144; set data.workers="):
        loader_workers(asked, 2)  # a number that is asked for is not changed in silence


def test_a_killed_process_of_a_pool_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SegibnError, match="a process that was checking the files was ended"):
        list(map_in_processes(os._exit, [9, 9], 2, 1, "checking the files"))
    assert list(map_in_processes(abs, [-1, 2], 2, 1, "adding")) == [1, 2]

    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")  # as without /dev/shm

    monkeypatch.setattr("segibn.files.pool.ProcessPoolExecutor", refuse)
    assert list(map_in_processes(abs, [-1, 2], 2, 1, "adding")) == [1, 2]
