"""What can go wrong in the middle of a training, turned into messages that name a fix."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
import torch.distributed as dist

from segibn import distributed
from segibn.config.schema import RunConfig
from segibn.devices import default_device
from segibn.engine.precision import choose_dtype
from segibn.engine.run_dir import RunDir
from segibn.engine.update import Pending, Updater
from segibn.errors import ConfigError, LostPeerError, SegibnError
from segibn.files.writing import atomic_path
from segibn.models.weights.tensor_check import largest_magnitude
from segibn.text import counted

# No weight of a sane network reaches what float16 cannot hold, nor a running variance its square;
# a network that diverges passes both within a few updates.
_LARGEST_WEIGHT = 65504.0
_LARGEST_STATISTIC = _LARGEST_WEIGHT**2


def stop_at_non_finite(loss: float, pending: Pending, config: RunConfig, run: RunDir) -> None:
    """Raise SegibnError when a loss is NaN or infinite; each rank saves its batch first."""
    if math.isfinite(loss):
        return
    rank, _ = distributed.rank_and_world()
    path = run.path / f"non_finite_batch_rank{rank}.pt"
    kept = ""
    with suppress(SegibnError):  # the disk may be full: what went wrong first must still be said
        with atomic_path(path) as temporary:
            torch.save({**pending.batch, "iteration": pending.iteration}, temporary)
        kept = f" (saved as {path})"
    scale = "" if pending.loss_scale is None else f", loss scale {pending.loss_scale.item():g}"
    raise SegibnError(
        f"the loss is {loss} at iteration {pending.iteration} (learning rate {pending.lr:.3g}"
        f"{scale}); this process's samples are {', '.join(pending.batch['name'])}{kept}. " + _advice(config, run)
    )


def stop_at_diverged_state(updater: Updater, run: RunDir, done: int) -> None:
    """Raise SegibnError before a diverged state replaces the last checkpoint; on every rank."""
    # A loss is that of the weights before its update: only this sees what the last update did.
    networks = {id(model): model for model in (updater.model, updater.predicting_model)}.values()
    kept = [value for state in updater.optimizer.state.values() for value in state.values()]
    for tensors, limit, what in [
        ([p for model in networks for p in model.parameters()], _LARGEST_WEIGHT, "weight"),
        ([b for model in networks for b in model.buffers()], _LARGEST_STATISTIC, "statistic"),
        (kept, torch.finfo(torch.float32).max, "number of the optimiser"),
    ]:
        largest = largest_magnitude(value for value in tensors if isinstance(value, torch.Tensor))
        if largest is not None and not float(largest) <= limit:
            raise SegibnError(
                f"the training has diverged: after {done} updates the largest {what} is "
                f"{float(largest):.3g}. This state is not kept. {_advice(updater.config, run)}"
            )


def _advice(config: RunConfig, run: RunDir) -> str:
    changes = ["a lower optim.lr", "a longer optim.warmup_iterations"]
    if config.optim.clip_grad_norm is None:
        changes.append("optim.clip_grad_norm")
    if choose_dtype(config.engine.precision, default_device()) != torch.float32:
        changes.append("engine.precision=float32")
    text = f"Set {', or '.join(changes)}"
    if not run.last_checkpoint.exists():
        return f"{text}, and start again with --resume auto (there is no checkpoint yet)"
    return (
        f"{text}, and resume from the last checkpoint, which is from before, with --resume auto; "
        f"or start a new run from its weights: init_from={run.last_checkpoint} with another "
        "--output"
    )


@contextmanager
def explained_failures(config: RunConfig, micro_batch: int) -> Iterator[None]:
    """Raise as SegibnError, with a fix, what torch raises when an update fails."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text:
            raise SegibnError(_memory_advice(config, micro_batch, text)) from error
        # That a collective failed because of the other side, gloo only says in words.
        words = ("Connection closed by peer", "Connection reset", "gloo")
        if dist.is_initialized() and (isinstance(error, dist.DistError) or any(word in text for word in words)):
            raise LostPeerError(
                "another process of this run ended, so this one ends too, without saving; resume "
                "from the last checkpoint with --resume auto (torchrun --max-restarts does so by "
                "itself)"
            ) from error
        raise
    except ValueError as error:  # torch's own check, before it computes
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"batches of {counted(micro_batch, 'crop')} give a batch norm a single value, so "
            "that it cannot be trained (the image branch of DeepLab's heads sees one value a "
            "crop); raise optim.global_batch_size or engine.max_micro_batch to two a process, or "
            "data.crop_size"
        ) from error


def _memory_advice(config: RunConfig, micro_batch: int, error: str) -> str:
    height, width = config.data.crop_size
    advice = [f"data.crop_size below {height}x{width}", "a smaller head (model.head.channels)"]
    if micro_batch > 1:
        advice.insert(0, f"engine.max_micro_batch={micro_batch // 2} (the update stays the same size)")
    if config.engine.precision in ("float32", "tf32"):
        advice.append("engine.precision=bfloat16")
    if config.model.backbone.output_stride == 8:
        advice.append("model.backbone.output_stride=16")
    crops = counted(micro_batch, "crop")
    return f"out of memory with {crops} at a time; try {', or '.join(advice)}. ({error.strip().splitlines()[0][:200]})"
