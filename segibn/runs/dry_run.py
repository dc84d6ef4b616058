"""What a training would need, in words, and the command that starts it."""

import os
import shlex
import textwrap
from pathlib import Path

from segibn import provenance
from segibn.config.schema import RunConfig
from segibn.engine.dry_run import DryRun, dry_run
from segibn.engine.trial import Trial
from segibn.text import counted

_INDENT = 10
_MANY_CLASSES = 12


def try_out(
    config: RunConfig, datasets_root: Path, output: Path, resume: str | None, columns: int
) -> str:
    """Do a dry run on every rank -> its report, as wide as a terminal of so many columns.

    Raises:
        SegibnError: the training would not start.
    """
    found = dry_run(config, datasets_root=datasets_root, output=output, resume=resume)
    lines = [
        textwrap.fill(
            f"{name:<{_INDENT}}{text}",
            columns,
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in _lines(found)
    ]
    start = f"dry run passed: {_command(found.processes)}"
    return "\n".join([f"{config.name}: dry run", *lines, start])


def _command(processes: int) -> str:
    """The command that starts the training as this dry run was started."""
    words = [word for word in shlex.split(provenance.command_line()) if word != "--dry-run"]
    if processes > 1:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        nodes = [f"--nnodes={processes // here}"] if processes > here else []
        program = ["-m", "segibn"] if words[0] == "segibn" else []
        words[:1] = ["torchrun", *nodes, f"--nproc_per_node={here}", *program]
    return shlex.join(words)


def _lines(found: DryRun) -> list[tuple[str, str]]:
    sets = [(role, f"{name}, {counted(count, 'sample')}") for role, name, count in found.sets]
    return [
        *sets,
        ("classes", _classes(found.class_names)),
        ("sampling", _sampling(found)),
        ("network", found.network),
        ("weights", found.start),
        ("batch", _batch(found)),
        ("device", f"{found.device}, {found.precision}"),
        ("memory", _memory(found)),
        ("duration", _duration(found)),
        ("data", _data(found)),
        ("disk", _disk(found)),
        ("note", _basis(found.trial)),
        *(("warning", text) for text in found.warnings),
    ]


def _classes(names: tuple[str, ...]) -> str:
    shown = names if len(names) <= _MANY_CLASSES else (*names[:_MANY_CLASSES], "...")
    return f"{len(names)}: {', '.join(shown)}"


def _sampling(found: DryRun) -> str:
    name = found.config.data.sampling.name
    cost = [f"{title} about {clock(seconds)}" for title, seconds in found.unindexed.items()]
    if not cost:
        return name
    return f"{name}; where the classes are will be found at the start: {', '.join(cost)}"


def _batch(found: DryRun) -> str:
    plan = found.plan
    shares = f"{counted(found.processes, 'process', 'processes')} x {counted(plan.steps, 'step')}"
    crop = "{}x{}".format(*found.config.data.crop_size)
    total = found.config.optim.global_batch_size
    return f"{total} = {shares} of {plan.micro_batch}, crops of {crop}"


def _memory(found: DryRun) -> str:
    memory, trial = found.trial.memory, found.trial
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimiser": memory.optimiser,
        "moving average": memory.average,
        "activations": memory.activations,
    }
    about = "about " if trial.is_estimate else ""
    reserved = "" if trial.reserved is None else f" ({size(trial.reserved)} reserved)"
    there = f", of {size(found.device_memory)} on the device" if found.device_memory else ""
    text = " + ".join(f"{name} {size(value)}" for name, value in parts.items() if value)
    return f"{about}{size(memory.total)}{reserved} in each process{there}: {text}"


def _duration(found: DryRun) -> str:
    config = found.config
    left = config.optim.iterations - found.first_iteration
    text = (
        f"about {clock(found.duration_s)}: {counted(left, 'update')} of {seconds(found.update_s)}"
    )
    if config.data.val is None:
        return text
    every = config.engine.evaluate_every
    times = max(1, -(-config.optim.iterations // every)) if every else 1
    return f"{text}; not counted: scoring {counted(times, 'time')}"


def _data(found: DryRun) -> str:
    reading = f"{seconds(found.sample_s)} a sample on one core"
    if found.cached_gib:
        return f"{reading}, once; then in memory, {size(round(found.cached_gib * 2**30))}"
    if found.workers == 0:
        return f"{reading}, in the training process"
    text = f"{reading}, {counted(found.workers, 'loader process', 'loader processes')}"
    if found.loading_s > found.trial.seconds:
        limit = f"{found.plan.per_process / found.trial.seconds:.1f}"
        return (
            f"{text}: slower than the updates, which could take {limit} samples/s; see data.cache"
        )
    return text


def _disk(found: DryRun) -> str:
    disk = found.disk
    return (
        f"a checkpoint {size(disk.checkpoint)}, up to {size(disk.need)} for the run; "
        f"{size(disk.free)} free in {disk.folder}"
    )


def _basis(trial: Trial) -> str:
    crop = "{}x{}".format(*trial.crop)
    if not trial.is_estimate:
        return (
            f"Memory and time of an update are measured: {counted(trial.crops, 'crop')} of {crop}."
        )
    return (
        "Memory and time are an estimate, scaled up by pixels from an update with "
        f"{counted(trial.crops, 'crop')} of {crop} on this CPU (weights, gradients, optimiser and "
        "moving average are exact). For a GPU's own numbers repeat the dry run there."
    )


def size(value: int) -> str:
    """Return bytes in MiB, from a GiB on in GiB: "230 MiB", "1.6 GiB"."""
    return f"{value / 2**20:.0f} MiB" if value < 2**30 else f"{value / 2**30:.1f} GiB"


def clock(duration: float) -> str:
    """Return seconds in the two largest units that fit: "3 d 4 h", "2 h 5 min", "40 s"."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left, parts = max(1, round(duration)), []
    for name, size in units:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def seconds(value: float) -> str:
    """Return a short time: "35 ms", "2.4 s"."""
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
