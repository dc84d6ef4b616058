"""One real update of an `Updater` -> seconds by its parts, bytes by what they are for."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from segibn.data.plan import BatchPlan
from segibn.engine.checkpoint import tensor_bytes
from segibn.engine.update import Batch, Updater
from segibn.errors import SegibnError

MAX_CROP = 256  # height and width of the crops that stand for a batch on a CPU, at most
_CROPS = 2  # on a CPU: some heads cannot be trained on one
_REPEATS = 3


@dataclass(frozen=True)
class Trial:
    """What an update of this process takes."""

    seconds: float  # without waiting for data
    memory: dict[str, int]  # bytes on the device by what they are for, the most of each
    reserved: int | None  # bytes that the CUDA allocator took; None for an estimate on a CPU
    crop: tuple[int, int]  # (H, W) of what ran
    crops: int  # how many at a time


def try_update(updater: Updater, batch: Batch, iteration: int) -> Trial:
    """Do a few updates as a training does, on every rank at a time.

    On a CPU with two crops of at most ``MAX_CROP`` a side; activations, and all of the time but the
    optimiser's, are scaled up by pixels.
    """
    if updater.device.type != "cuda":
        return _estimate(updater, batch, iteration)
    batch = {**batch, **{key: batch[key].pin_memory() for key in ("image", "target")}}
    _update(updater, batch, iteration)  # kernels are chosen, the optimiser makes its state
    torch.cuda.reset_peak_memory_stats(updater.device)
    seconds, _ = _time(updater, batch, iteration)
    crop, crops = tuple(batch["image"].shape[-2:]), updater.plan.micro_batch
    return Trial(seconds, memory_of(updater, 0), torch.cuda.max_memory_reserved(updater.device), crop, crops)


def _estimate(updater: Updater, batch: Batch, iteration: int) -> Trial:
    plan, full = updater.plan, batch["image"].shape[-2:]
    crops = min(_CROPS, plan.micro_batch)
    height, width = crop = min(MAX_CROP, full[0]), min(MAX_CROP, full[1])
    top, left = (full[0] - height) // 2, (full[1] - width) // 2
    window = (slice(crops), ..., slice(top, top + height), slice(left, left + width))
    batch = {**batch, **{key: batch[key][window] for key in ("image", "target")}}
    updater.plan = BatchPlan(crops, 1)
    kept = kept_bytes(updater, batch, iteration)
    seconds, fixed = _time(updater, batch, iteration)
    updater.plan = plan
    more = plan.micro_batch * math.prod(full) / (crops * math.prod(crop))
    seconds = fixed + plan.steps * more * (seconds - fixed)
    return Trial(seconds, memory_of(updater, round(more * kept)), None, crop, crops)


def kept_bytes(updater: Updater, batch: Batch, iteration: int) -> int:
    """Return what a micro-batch keeps for its backward pass, by an update with it alone."""
    plan, count = updater.plan, updater.plan.micro_batch
    own = {tensor.data_ptr() for tensor in updater.model.state_dict().values()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the tensor itself would hold its own graph

    updater.plan = BatchPlan(count, 1)
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        _update(updater, {key: value[:count] for key, value in batch.items()}, iteration)
    updater.plan = plan
    return sum(size for pointer, size in kept.items() if pointer not in own)


def memory_of(updater: Updater, kept: int) -> dict[str, int]:
    """Return the bytes held in an update, after one; ``kept`` is of a CPU's activations."""
    average = updater.average
    held = {
        "weights": tensor_bytes(updater.model.state_dict()),
        "gradients": tensor_bytes([p for p in updater.model.parameters() if p.requires_grad]),
        "optimiser": tensor_bytes(dict(updater.optimizer.state)),
        "average": 0 if average is None else tensor_bytes(average.model.state_dict()),
    }
    if updater.device.type == "cuda":  # all else at the highest point
        kept = torch.cuda.max_memory_allocated(updater.device) - sum(held.values())
    return {**held, "activations": max(0, kept)}


def _time(updater: Updater, batch: Batch, iteration: int) -> tuple[float, float]:
    """Seconds of the shortest of a few updates, and those of them that pixels do not change."""
    found = []
    for _ in range(_REPEATS):  # another program can only make an update longer
        fixed: list[float] = []
        updater.stepping = partial(_clock, fixed)
        whole: list[float] = []
        with _clock(whole):
            _update(updater, batch, iteration)
        found.append((sum(whole), sum(fixed)))
    updater.stepping = nullcontext
    return min(found)


@contextmanager
def _clock(seconds: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


def _update(updater: Updater, batch: Batch, iteration: int) -> None:
    loss, _ = updater.update(batch, iteration).read()
    if not math.isfinite(loss):
        raise SegibnError(
            f"the loss of the first update is {loss} (samples {', '.join(batch['name'])}); check "
            "the weights that the run starts from and the label table, or set "
            "engine.precision=float32"
        )
