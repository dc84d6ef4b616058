"""Data room: the DataLoader of a training run. In: a dataset and its sampler. Out: batches.

A batch is a dict: ``image`` (N, 3, H, W) uint8 in channels-last memory order, as pictures are
decoded; ``target`` (N, H, W) uint8; ``name`` list of N; ``position`` (N,) int64. It stays uint8
until the device, which makes the copy there four times smaller; the engine converts.
"""

import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from segibn.data.dataset import SegmentationDataset
from segibn.data.mixed import MixedDataset
from segibn.data.sampler import PositionSampler
from segibn.errors import SegibnError
from segibn.provenance import usable_cores

MAX_WORKERS = 8
_PREFETCH = 4


class TrainLoader(DataLoader[dict[str, Any]]):
    """A DataLoader whose workers' errors keep their own message.

    torch puts the worker's traceback into the message of the error that it raises here; a user
    who has to mend a file should read one line instead.
    """

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Yield the batches of the rest of the run."""
        try:
            yield from super().__iter__()
        except SegibnError as error:
            kind = type(error)
            marker = f"{kind.__module__}.{kind.__qualname__}: "
            raise kind(str(error).rpartition(marker)[2].strip()) from None


def auto_workers(world_size: int = 1) -> int:
    """Return a number of loader processes: the usable cores shared out, at most 8."""
    return max(1, min(MAX_WORKERS, usable_cores() // max(1, world_size)))


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack samples into a batch without reordering any pixel."""
    images = torch.stack([sample["image"].permute(1, 2, 0) for sample in samples])
    return {
        "image": images.permute(0, 3, 1, 2),
        "target": torch.stack([sample["target"] for sample in samples]),
        "name": [sample["name"] for sample in samples],
        "position": torch.tensor([sample["position"] for sample in samples]),
    }


def make_loader(
    dataset: SegmentationDataset | MixedDataset,
    sampler: PositionSampler,
    *,
    workers: int = 0,
    pin_memory: bool = False,
) -> TrainLoader:
    """Make a loader that yields one batch for each iteration of the sampler.

    Args:
        dataset: produces samples by `plan.Draw`.
        sampler: says which, for this rank.
        workers: loader processes; 0 loads in this process.
        pin_memory: page-locked batches, for CUDA.

    Returns:
        The loader; one pass over it is the whole rest of the run.
    """
    options: dict[str, Any] = {}
    if workers:
        options = {"prefetch_factor": _PREFETCH, "worker_init_fn": _start_worker}
        if dataset.cache is not None and sys.platform.startswith("linux"):
            # Forked workers share the cache; any other start would copy it into each of them.
            options["multiprocessing_context"] = "fork"
    return TrainLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin_memory,
        **options,
    )


def _start_worker(worker_id: int) -> None:
    """Set up a loader process; its randomness needs no seed, see `dataset.sample_seed`.

    It keeps to one thread, and leaves it to the training process to answer signals: Ctrl-C,
    `timeout` and Slurm signal the whole group, and the run still needs batches to stop well.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_once)


def _ignore_once(number: int, frame: FrameType | None) -> None:
    """Let one SIGTERM pass; the next one ends the process, so that nothing can hang on it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
