"""What one update of a training takes: measured on a GPU, estimated from a small crop on a CPU.

Comes in: an `Updater` and a batch. Goes out: seconds, and bytes by what they are for. The weights
change; they are not meant to be kept.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from segibn.data.batch_plan import BatchPlan
from segibn.engine.failures import is_single_value
from segibn.engine.trace import events_of, peak_growth, profiled
from segibn.engine.update import Batch, Updater
from segibn.errors import SegibnError

MAX_CROP = 256
"""Height and width of the crop that stands for a batch on a CPU, at most."""

_REPEATS = 3
_TIMED_S = 1.0
_GRADIENT = "gradient"


@dataclass(frozen=True)
class Memory:
    """Bytes that a process holds on its device while it trains.

    Attributes:
        weights: parameters and running statistics.
        gradients: of the parameters.
        optimiser: its state.
        average: the moving average of the weights; 0 without.
        activations: all else at the highest point: what a forward pass keeps for the backward pass,
            and what comes and goes.
    """

    weights: int
    gradients: int
    optimiser: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """The highest point; on a CPU all parts together, which are not held at the same time."""
        fixed = self.weights + self.gradients + self.optimiser + self.average
        return fixed + self.activations


@dataclass(frozen=True)
class Trial:
    """What an update of this process takes.

    Attributes:
        seconds: without waiting for data.
        memory: at its highest point.
        reserved: bytes that the CUDA allocator took for it; None on a CPU.
        crop: (H, W) of what ran.
        crops: how many at a time.
    """

    seconds: float
    memory: Memory
    reserved: int | None
    crop: tuple[int, int]
    crops: int

    @property
    def is_estimate(self) -> bool:
        """Whether this was scaled up from a smaller batch."""
        return self.reserved is None


def measure_update(updater: Updater, batch: Batch, iteration: int) -> Trial:
    """Run updates on CUDA as a training does, a first one apart; on every rank at a time.

    Args:
        updater: of the run.
        batch: of an update, whole.
        iteration: index of the update.

    Raises:
        SegibnError: the loss is not finite.
    """
    device = updater.device
    batch = {**batch, **{key: batch[key].pin_memory() for key in ("image", "target")}}
    _update(updater, batch, iteration)  # kernels are chosen, the optimiser makes its state
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    for _ in range(_REPEATS):
        _update(updater, batch, iteration)
    torch.cuda.synchronize(device)
    seconds = (time.perf_counter() - start) / _REPEATS
    held = _held(updater)
    activations = torch.cuda.max_memory_allocated(device) - sum(held.values())
    memory = Memory(**held, activations=max(0, activations))
    reserved = torch.cuda.max_memory_reserved(device)
    height, width = batch["image"].shape[-2:]
    return Trial(seconds, memory, reserved, (height, width), updater.plan.micro_batch)


def estimate_update(updater: Updater, batch: Batch, iteration: int) -> Trial:
    """Run updates with one small crop, and scale time and activations up to the whole batch.

    Both are taken to grow by the same amount with every pixel, on top of a part that does not
    depend on pixels. Two sizes tell the parts apart: the crop, at most ``MAX_CROP`` a side, and the
    middle of it with half the sides. What is held whatever the pixels is counted, not measured.
    Runs on every rank at a time.

    Args:
        updater: of the run; its plan is left as it was.
        batch: samples of the run at its crop size; two where the plan has so many, since some heads
            cannot be trained on one.
        iteration: index of the update.

    Raises:
        SegibnError: the loss is not finite.
    """
    plan, full = updater.plan, tuple(batch["image"].shape[-2:])
    large = (min(MAX_CROP, full[0]), min(MAX_CROP, full[1]))
    least = 2 * max(spec.stride for spec in updater.model.backbone.feature_specs.values())
    small = tuple(min(side, max(least, math.ceil(side / 2))) for side in large)
    try:
        crops = _fewest_crops(updater, _middle(batch, large), iteration)
        updater.plan = BatchPlan(crops, 1)
        sizes, seconds, growth = [], [], []
        for size in (small, large):
            part = _middle(batch, size, crops)
            sizes.append(crops * size[0] * size[1])
            seconds.append(_seconds(updater, part, iteration))
            growth.append(_growth(updater, part, iteration))
    finally:
        updater.plan = plan
    pixels = plan.micro_batch * full[0] * full[1]
    duration = plan.steps * _line_at(pixels, sizes, seconds)
    memory = Memory(**_held(updater), activations=round(_line_at(pixels, sizes, growth)))
    return Trial(duration, memory, None, large, crops)


def tensor_bytes(tree: Any) -> int:
    """Return the bytes of all tensors in nested mappings and sequences."""
    if isinstance(tree, Tensor):
        return tree.numel() * tree.element_size()
    if isinstance(tree, Mapping):
        return sum(map(tensor_bytes, tree.values()))
    return sum(map(tensor_bytes, tree)) if isinstance(tree, list | tuple) else 0


def _held(updater: Updater) -> dict[str, int]:
    """What is held whatever the batch; complete once there was an update."""
    parameters = [p for p in updater.model.parameters() if p.requires_grad]
    average = updater.average
    return {
        "weights": _module_bytes(updater.model),
        "gradients": tensor_bytes(parameters),
        "optimiser": tensor_bytes(dict(updater.optimizer.state)),
        "average": 0 if average is None else _module_bytes(average.model),
    }


def _module_bytes(module: nn.Module) -> int:
    return tensor_bytes([*module.parameters(), *module.buffers()])


def _update(updater: Updater, batch: Batch, iteration: int) -> None:
    loss, _ = updater.update(batch, iteration).read()
    if not math.isfinite(loss):
        raise SegibnError(
            f"the loss of the first update is {loss} (samples {', '.join(batch['name'])}); check "
            "the weights that the run starts from and the label table, or set "
            "engine.precision=float32"
        )


def _fewest_crops(updater: Updater, batch: Batch, iteration: int) -> int:
    """One, or two where a batch norm sees one value a crop and so cannot be trained on one."""
    may_have_two = updater.plan.micro_batch > 1
    updater.plan = BatchPlan(1, 1)
    try:
        _update(updater, _first(batch, 1), iteration)
    except ValueError as error:
        if may_have_two and is_single_value(error):
            return 2
        raise  # so would the training
    return 1


def _middle(batch: Batch, size: tuple[int, ...], count: int | None = None) -> Batch:
    """The middle of the first samples, (H, W) ``size``."""
    height, width = batch["image"].shape[-2:]
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    cut = {key: batch[key][..., rows, columns] for key in ("image", "target")}
    return _first({**batch, **cut}, count)


def _first(batch: Batch, count: int | None) -> Batch:
    return {key: value[:count] for key, value in batch.items()}


def _seconds(updater: Updater, batch: Batch, iteration: int) -> float:
    """The shortest time of a few updates: another program can only make them longer."""
    _update(updater, batch, iteration)
    times: list[float] = []
    while len(times) < _REPEATS and sum(times) < _TIMED_S:
        start = time.perf_counter()
        _update(updater, batch, iteration)
        times.append(time.perf_counter() - start)
    return min(times)


def _growth(updater: Updater, batch: Batch, iteration: int) -> int:
    """Bytes that an update holds at most before the first gradient: activations and the loss's."""
    updater.optimizer.zero_grad(set_to_none=True)  # else the update begins by freeing them
    with _marked_gradients(updater.model), profiled(updater.device) as recorded:
        _update(updater, batch, iteration)
    return peak_growth(events_of(recorded), until=_GRADIENT)


@contextmanager
def _marked_gradients(model: nn.Module) -> Iterator[None]:
    """Let a profile show when the gradient of a parameter is complete."""

    def mark(_: Tensor) -> None:
        with record_function(_GRADIENT):
            pass

    hooks = [
        parameter.register_post_accumulate_grad_hook(mark)
        for parameter in model.parameters()
        if parameter.requires_grad
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _line_at(where: int, at: list[int], values: list[float] | list[int]) -> float:
    """The line through two points; if it falls or starts below 0, from there to the larger one."""
    slope = (values[1] - values[0]) / (at[1] - at[0]) if at[1] > at[0] else 0.0
    start = values[1] - slope * at[1]
    if slope <= 0 or start < 0:
        return values[1] * where / at[1]
    return start + slope * where
