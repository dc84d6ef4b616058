"""All that a training does before its first update, and one update tried: what it would need.

Nothing is written but caches beside the data sets and downloaded weights in torch's folder.
"""

import os
import shlex
import textwrap
import time
from pathlib import Path

import torch

from segibn import distributed, provenance
from segibn.builders.loader import build_train_loader, loader_workers
from segibn.builders.models import describe
from segibn.builders.sampling import index_cost
from segibn.config.data import UniformSampling
from segibn.config.schema import RunConfig
from segibn.data.plan import plan_batch
from segibn.devices import default_device
from segibn.engine.checkpoint import require_disk, resume_training
from segibn.engine.failures import explained_failures
from segibn.engine.fit_batch import fit_batch
from segibn.engine.journal import pixels_of_updates
from segibn.engine.precision import describe_precision
from segibn.engine.run_data import RunData, index_run
from segibn.engine.run_dir import open_run
from segibn.engine.train import build_model, require_same_start
from segibn.engine.trial import Trial, try_update
from segibn.engine.update import Batch, Updater
from segibn.errors import ConfigError
from segibn.files.writing import writable_folder
from segibn.labels.label_set import IGNORE_INDEX
from segibn.text import byte_count, counted, duration

_SHORT_S = 20.0  # an index of classes that takes less is built at once, of a longer one told

Lines = list[tuple[str, str]]
"""(name, text) of the report."""


def try_out(config: RunConfig, datasets_root: Path, output: Path, resume: str | None, columns: int) -> str:
    """Do a dry run on every rank -> its report, as wide as a terminal of so many columns."""
    found = dry_run(config, datasets_root=datasets_root, output=output, resume=resume)
    how = {"subsequent_indent": " " * 10, "break_long_words": False, "break_on_hyphens": False}
    lines = [textwrap.fill(f"{name:<10}{text}", columns, **how) for name, text in found]
    # the command that starts the training as this dry run was started
    words = [word for word in shlex.split(provenance.command_line()) if word != "--dry-run"]
    _, processes = distributed.rank_and_world()
    if processes > 1:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        nodes = [f"--nnodes={processes // here}"] if processes > here else []
        program = ["-m", "segibn"] if words[0] == "segibn" else []
        words[:1] = ["torchrun", *nodes, f"--nproc_per_node={here}", *program]
    return "\n".join([f"{config.name}: dry run", *lines, f"dry run passed: {shlex.join(words)}"])


def dry_run(config: RunConfig, *, datasets_root: Path, output: Path, resume: str | None = None) -> Lines:
    """Check a training as `train` would run it; SegibnError: as there, or the disk has no room."""
    config = fit_batch(config, datasets_root, output, resume)
    device = default_device()
    data = index_run(config, datasets_root)
    run, checkpoint = open_run(output, resume)
    _, world = distributed.rank_and_world()
    writable_folder(output)
    workers, note = loader_workers(config, world)
    plan = plan_batch(config.optim.global_batch_size, world, config.engine.max_micro_batch)
    with distributed.process_group(device), explained_failures(config, plan.micro_batch):
        cost = index_cost(config.data, data.sets, datasets_root)
        cost = cost if distributed.any_rank(sum(cost.values()) > _SHORT_S) else {}
        model = build_model(config, data.labels, device, checkpoint is not None)
        updater = Updater(config, model, data.labels.class_names, data.groups)
        first = 0 if checkpoint is None else resume_training(checkpoint, updater)
        require_same_start(run, first)
        if first == config.optim.iterations:
            raise ConfigError(f"{checkpoint} is the end of its run: nothing is left to train")
        count = plan.per_process if device.type == "cuda" else min(4, plan.per_process)
        batch, sample_s = _read_batch(config, data, datasets_root, count, bool(cost))
        if data.val is not None:
            next(iter(data.val), None)
        trial = try_update(updater, batch, first)
        disk = require_disk(updater, run)
    shares = f"{counted(world, 'process', 'processes')} x {counted(plan.steps, 'step')}"
    crops = "crops of {}x{}".format(*config.data.crop_size)
    each, need, free = map(byte_count, (disk.checkpoint, disk.need, disk.free))
    lines = [
        *_data_lines(config, data, cost),
        ("network", describe(model)),
        ("weights", f"{checkpoint}, iteration {first}" if checkpoint else _start(config)),
        ("batch", f"{config.optim.global_batch_size} = {shares} of {plan.micro_batch}, {crops}"),
        *_device_lines(updater, trial),
        *_time_lines(updater, data, first, trial.seconds, sample_s, workers),
        ("disk", f"a checkpoint {each}, up to {need} for the run; {free} free in {disk.folder}"),
        ("note", _basis(trial)),
        *([("warning", note)] if note else []),
    ]
    if bool((batch["target"] == IGNORE_INDEX).all()):
        text = f"every pixel of the samples read is ignored ({', '.join(batch['name'])}); see the label table"
        lines.append(("warning", text))
    return lines


def _read_batch(
    config: RunConfig, data: RunData, datasets_root: Path, count: int, is_unindexed: bool
) -> tuple[Batch, float]:
    """The first ``count`` samples of this rank as its loader reads them, and the seconds of one."""
    _, world = distributed.rank_and_world()
    changed = {"workers": 0, "half_size_share": 0.0, "cache": config.data.cache.replace("memory", "none")}
    if is_unindexed:
        changed["sampling"] = UniformSampling()
    few = {"global_batch_size": count * world, "iterations": 2, "warmup_iterations": 0}
    optim, short = config.optim.model_copy(update=few), config.data.model_copy(update=changed)
    config = config.model_copy(update={"data": short, "optim": optim})
    batches = iter(build_train_loader(config, data.sets, datasets_root=datasets_root))
    next(batches)  # may import
    start = time.perf_counter()
    batch = next(batches)
    return batch, (time.perf_counter() - start) / count


def _data_lines(config: RunConfig, found: RunData, cost: dict[str, float]) -> Lines:
    data, names = config.data, found.labels.class_names
    roles = ["train", *(f"mix {source.share:.0%}" for source in data.mix), "val"]
    counts = [len(one.samples) for one in (*found.sets, found.val) if one is not None]
    sets = [one for one in (*data.sources, data.val) if one is not None]
    shown = names if len(names) <= 12 else (*names[:12], "...")
    sampling = data.sampling.name
    if cost:
        each = ", ".join(f"{title} about {duration(seconds)}" for title, seconds in cost.items())
        sampling += f"; where the classes are will be found at the start: {each}"
    parts = zip(roles, sets, counts, strict=False)  # maybe no val
    return [
        *((role, f"{one.title}, {counted(count, 'sample')}") for role, one, count in parts),
        ("classes", f"{len(names)}: {', '.join(shown)}"),
        ("sampling", sampling),
    ]


def _start(config: RunConfig) -> str:
    if config.init_from is not None:
        return f"{config.init_from} (init_from)"
    weights = config.model.weights
    pretrained = "" if weights == "none" else f"; the backbone's from {weights}"
    return f"random, seed {config.seed}{pretrained}"


def _device_lines(updater: Updater, trial: Trial) -> Lines:
    device, there = updater.device, 0
    if device.type == "cuda":
        name, there = torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[1]
    else:
        name = f"CPU, {counted(torch.get_num_threads(), 'thread')}"
        if hasattr(os, "sysconf"):
            there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    precision = describe_precision(updater.config.engine.precision, updater.dtype)
    total, reserved = sum(trial.memory.values()), trial.reserved
    size = byte_count(total)
    much = f"about {size}" if reserved is None else f"{size} ({byte_count(reserved)} reserved)"
    of = f", of {byte_count(there)} on the device" if there else ""
    held = " + ".join(f"{name} {byte_count(part)}" for name, part in trial.memory.items() if part)
    parts = held.replace("average", "moving average")
    lines = [("device", f"{name}, {precision}"), ("memory", f"{much} in each process{of}: {parts}")]
    if reserved is None and 0 < there < total:
        lines.append(("warning", "this machine has less memory than that; lower engine.max_micro_batch"))
    return lines


def _time_lines(updater: Updater, data: RunData, first: int, update_s: float, sample_s: float, workers: int) -> Lines:
    config, batch = updater.config, updater.plan.per_process
    loading_s = 0.0 if data.cached_gib else batch * sample_s / max(1, workers)
    # Loader processes work ahead meanwhile.
    seconds = max(update_s, loading_s) if workers else update_s + loading_s
    left = config.optim.iterations - first
    work = pixels_of_updates(config, config.optim.iterations) - pixels_of_updates(config, first)
    whole = f"about {duration(work * seconds)}: {counted(left, 'update')} of {_seconds(seconds)}"
    if work < left:
        whole += ", the first ones at half the size"
    if config.data.val is not None:
        every = config.engine.evaluate_every
        times = max(1, -(-config.optim.iterations // every)) if every else 1
        whole += f"; not counted: scoring {counted(times, 'time')}"
    text = f"{_seconds(sample_s)} a sample on one core"
    if data.cached_gib:
        text += f", once; then in memory, {byte_count(round(data.cached_gib * 2**30))}"
    elif workers == 0:
        text += ", in the training process"
    else:
        text += f", {counted(workers, 'loader process', 'loader processes')}"
        if loading_s > update_s:
            text += f": slower than the updates, which could take {batch / update_s:.1f} samples/s; see data.cache"
    return [("duration", whole), ("data", text)]


def _basis(trial: Trial) -> str:
    crops = f"{counted(trial.crops, 'crop')} of {'{}x{}'.format(*trial.crop)}"
    if trial.reserved is not None:
        return f"Memory and time of an update are measured: {crops}."
    return (
        f"Memory and time are an estimate, scaled up by pixels from an update with {crops} on this "
        "CPU (weights, gradients, optimiser and moving average are exact). For a GPU's own numbers "
        "repeat the dry run there."
    )


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
