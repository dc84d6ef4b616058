"""The DataLoader of a training run.

A batch is a dict: ``image`` (N, 3, H, W) uint8, channels last; ``target`` (N, H, W) uint8; ``name``
list of N; ``position`` (N,) int64. uint8 makes the copy to the device four times smaller.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from segibn.data.dataset import MixedDataset, SegmentationDataset
from segibn.data.plan import PositionSampler
from segibn.errors import SegibnError
from segibn.provenance import usable_cores

SHARED_MEMORY = Path("/dev/shm")  # where loader processes on Linux put their batches
LARGER = "a larger one: docker run --shm-size=8g or --ipc=host, or mount -o remount,size=8g"
_PREFETCH = 4
_IN_USE = 2  # batches that the training itself holds
_POLL_S = 1.0
_PATIENCE_S = 600.0
_LEAVE_S = 60


class TrainLoader(DataLoader[dict[str, Any]]):
    """A DataLoader whose errors are one line, raised where a batch is waited for.

    torch puts the worker's traceback into the message, and raises the error of a killed worker
    wherever the training happens to be, also in the middle of a checkpoint.
    """

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        return self.until(lambda: False)

    def until(self, stopping: Callable[[], bool], grace_s: float = 0) -> Iterator[dict[str, Any]]:
        """Yield the batches of the rest of the run; SegibnError: no more can come, and why.

        ``stopping`` ends a wait only, after ``grace_s``: batches that are there are still yielded.
        """
        failure: SegibnError | None = None
        try:
            batches = self._start()
            while (batch := _wait(batches, stopping, grace_s)) is not None:
                yield batch
        except (SegibnError, RuntimeError, MemoryError, OSError, cv2.error) as error:
            failure = _explained(error, self.num_workers)
            if failure is None:
                raise
            error.with_traceback(None)  # its frames would keep the workers
        finally:
            batches = iter(())  # ends the workers, now
        if failure is not None:
            raise failure

    def _start(self) -> Iterator[dict[str, Any]]:
        """Start the workers; torch's handler, which raises anywhere, does not stay."""
        number = getattr(signal, "SIGCHLD", None)
        before = None if number is None else signal.getsignal(number)
        batches = super().__iter__()
        with suppress(ValueError, TypeError):  # not the main thread; no handler of Python's
            signal.signal(number, before)  # type: ignore[arg-type]
        return batches


def _wait(batches: Iterator[dict[str, Any]], stopping: Callable[[], bool], grace_s: float) -> dict[str, Any] | None:
    """The next batch; None at the end, or where none came before leaving."""
    start, asked = time.monotonic(), None
    while True:
        try:
            return next(batches, None)
        except RuntimeError as error:
            if "DataLoader timed out" not in str(error):
                raise
        copier = getattr(batches, "_pin_memory_thread", None)
        if copier is not None and not copier.is_alive():
            raise SegibnError(
                "the thread that hands batches to the GPU has ended, most likely for want of open "
                "files; raise `ulimit -n`, or use fewer data.workers"
            )
        now = time.monotonic()
        if stopping():
            asked = now if asked is None else asked
            if now - asked >= grace_s:
                return None
        if now - start > _PATIENCE_S:
            raise SegibnError(
                f"no batch came for {_PATIENCE_S / 60:.0f} minutes: the disk or network of the "
                "data set does not answer, or loader processes hang; see whether files can be "
                "read, or set data.workers=0"
            )


def _explained(error: Exception, workers: int) -> SegibnError | None:
    """Turn what torch says about loader processes into one line with a fix; None = a bug."""
    text, fewer = str(error), f"fewer data.workers (now {workers})"
    if isinstance(error, SegibnError):  # a worker's comes with its traceback
        kind = type(error)
        return kind(text.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].strip())
    if isinstance(error, MemoryError) or "Insufficient memory" in text:  # OpenCV's words
        return SegibnError(f"out of memory while loading samples; use {fewer}")
    if "DataLoader worker (pid" in text:
        return SegibnError(
            "a loader process was killed, most likely by the system for want of memory; use "
            f"{fewer}, or data.cache=disk or none in place of memory"
        )
    if "Too many open files" in text or "items of ancdata" in text:
        return SegibnError(f"too many open files; raise `ulimit -n`, or use {fewer}")
    if isinstance(error, OSError) and error.filename is None and workers:
        why = error.strerror or text.strip().rpartition("\n")[2]
        if "DataLoader worker process" in text:  # what a sample met, behind its traceback
            return SegibnError(why)
        return SegibnError(f"{workers} loader processes cannot be run ({why}); use {fewer}, or 0")
    return None


def shared_bytes(workers: int, batch_bytes: int, processes: int = 1) -> int:
    """Return what batches take in shared memory at most; ``workers`` are of each process."""
    return processes * (_PREFETCH * workers + _IN_USE) * batch_bytes if workers else 0


def free_shared_memory() -> int | None:
    """Return the bytes free in shared memory; 0 without any, None where nobody tells."""
    if not sys.platform.startswith("linux"):
        return None
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return 0
    return shutil.disk_usage(SHARED_MEMORY).free


def auto_workers(world_size: int = 1) -> int:
    """Return a number of loader processes: the usable cores shared out, at most 8."""
    return max(1, min(8, usable_cores() // world_size))


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples into a batch, channels last; SegibnError: no shared memory."""
    return {
        "image": _shared(torch.stack([sample["image"].permute(1, 2, 0) for sample in samples])).permute(0, 3, 1, 2),
        "target": _shared(torch.stack([sample["target"] for sample in samples])),
        "name": [sample["name"] for sample in samples],
        "position": _shared(torch.tensor([sample["position"] for sample in samples])),
    }


def _shared(tensor: Tensor) -> Tensor:
    """Move a tensor of a loader process to shared memory, here where that can fail with a word."""
    # torch would do it in a thread that sends the batch, and an error there loses the batch.
    if get_worker_info() is None:
        return tensor
    try:
        return tensor.share_memory_()
    except RuntimeError as error:
        free = free_shared_memory()
        left = "" if free is None else f", {free / 2**20:.0f} MiB free"
        raise SegibnError(
            f"a batch does not fit into shared memory ({SHARED_MEMORY}{left}); use fewer "
            f"data.workers (0 needs none), or {LARGER} ({str(error).splitlines()[0][:200]})"
        ) from None


def make_loader(
    dataset: SegmentationDataset | MixedDataset, sampler: PositionSampler, *, workers: int = 0, pin_memory: bool = False
) -> TrainLoader:
    """Make a loader of the whole rest of the run; 0 ``workers`` load in this process."""
    # Forked workers share the cache; any other start would copy it into each of them.
    forks = workers and dataset.cache is not None and sys.platform.startswith("linux")
    return TrainLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin_memory,
        prefetch_factor=_PREFETCH if workers else None,
        worker_init_fn=_start_worker,
        timeout=_POLL_S if workers else 0,
        multiprocessing_context="fork" if forks else None,
    )


def _start_worker(worker_id: int) -> None:
    """Set up a loader process; its randomness needs no seed, see `dataset.sample_seed`."""
    # Ctrl-C, `timeout`, Slurm and a closed terminal signal the whole group. The training process
    # answers them, and still needs batches to stop well.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_once)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _ignore_once(number: int, frame: FrameType | None) -> None:
    """Let one SIGTERM pass; the next one ends the process, as does time: nothing hangs on it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(_LEAVE_S)
