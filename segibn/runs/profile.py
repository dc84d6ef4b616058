"""Where the time of a training's updates goes: tables and a trace in a folder."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from segibn import distributed, provenance
from segibn.config.schema import RunConfig
from segibn.engine.step_profile import Row, StepProfile, profile_steps
from segibn.files import writable_folder, write_json, write_text
from segibn.text import counted

TRACE_FILE = "trace.json.gz"


def profile_run(
    config: RunConfig, datasets_root: Path, folder: Path, *, steps: int, warmup: int
) -> str:
    """Train for a few updates on every rank; the first writes the files. -> the tables as text."""
    writable_folder(folder)
    found = profile_steps(
        config, datasets_root=datasets_root, trace=folder / TRACE_FILE, steps=steps, warmup=warmup
    )
    text = format_profile(config.name, found)
    if distributed.is_main():
        write_text(folder / "profile.txt", text)
        origin = {
            "command": provenance.command_line(),
            "git_revision": provenance.git_revision(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        }
        write_json(folder / "profile.json", {"config": config.name, **asdict(found), **origin})
    return text


def format_profile(name: str, found: StepProfile) -> str:
    """Return the tables of a profile, 80 columns wide."""
    processes = f"{found.processes} processes, " if found.processes > 1 else ""
    workers = found.loader_workers or "no"
    busy = "" if found.gpu_busy is None else f"GPU busy: {found.gpu_busy:.1%} of the time\n"
    head = (
        f"{name}: {counted(found.steps, 'update')} of {counted(found.samples, 'sample')}, "
        f"{processes}{found.device}, {found.precision}\n"
        f"{1000 * found.seconds:.1f} ms an update, {found.samples / found.seconds:.1f} samples/s; "
        f"{found.data_wait:.1%} of the time waiting for data\n"
        f"loader by itself: {found.loader_samples_per_s:.1f} samples/s, {workers} loader "
        f"{'process' if found.loader_workers == 1 else 'processes'}\n"
        f"{busy}memory: {found.memory_bytes / 2**20:.0f} MiB "
        f"{'kept for a backward pass' if found.device == 'cpu' else 'at the highest point'}\n"
    )
    tables = (_table("part of an update", found.parts, found.seconds),)
    tables += (_table("operator, by itself", found.operators, found.seconds),)
    return "\n".join([head, *tables])


def _table(title: str, rows: Sequence[Row], whole: float) -> str:
    on_gpu = any(row.device_s is not None for row in rows)
    lines = [
        f"{title:<44}{'calls':>7}{'ms':>10}{'share':>8}" + (f"{'GPU ms':>11}" if on_gpu else "")
    ]
    for row in rows:
        line = (
            f"{row.name[:43]:<44}{row.calls:>7.0f}{1000 * row.host_s:>10.2f}"
            f"{row.host_s / whole:>8.1%}"
        )
        lines.append(line + (f"{1000 * (row.device_s or 0):>11.2f}" if on_gpu else ""))
    return "\n".join(lines) + "\n"
