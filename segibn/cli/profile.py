"""``profile``: where the time of a training's updates goes, as a table and a trace."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import (
    add_datasets_argument,
    add_overrides_argument,
    datasets_root,
    parse_positive,
)
from segibn.cli.parser import print_then, verb_parser
from segibn.text import counted

if TYPE_CHECKING:
    from segibn.engine.step_profile import Row, StepProfile

EXAMPLE = """\
example:
  segibn profile gta5_ibn --datasets /data --steps 10

The folder gets profile.txt and profile.json (the tables), and trace.json.gz: open it in
https://ui.perfetto.dev or chrome://tracing.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "profile", "Train for a few updates and say where their time goes.", EXAMPLE
    )
    parser.add_argument("config", type=Path, help="YAML file, or a shipped config's name: gta5_ibn")
    add_overrides_argument(parser)
    add_datasets_argument(parser)
    parser.add_argument(
        "--steps", type=parse_positive, default=5, metavar="N", help="updates to look at (5)"
    )
    parser.add_argument(
        "--warmup", type=parse_positive, default=3, metavar="N", help="updates before (3)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the tables (runs/<name>_profile)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_intermixed_args(argv)

    from segibn import provenance
    from segibn.config.load import load_config
    from segibn.files import writable_folder, write_json, write_text

    config = load_config(arguments.config, arguments.overrides)
    folder = arguments.output or Path("runs") / f"{config.name}_profile"
    writable_folder(folder)

    from segibn import distributed  # torch only after the config is known to be right
    from segibn.engine.step_profile import profile_steps

    found = profile_steps(
        config,
        datasets_root=datasets_root(arguments.datasets),
        trace=folder / "trace.json.gz",
        steps=arguments.steps,
        warmup=arguments.warmup,
    )
    if not distributed.is_main():
        return 0
    text = format_profile(config.name, found)
    write_text(folder / "profile.txt", text)
    origin = {
        "command": provenance.command_line(),
        "git_revision": provenance.git_revision(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    write_json(folder / "profile.json", {"config": config.name, **asdict(found), **origin})
    print(f"{text}\ntables and trace: {folder}")
    print_then(f"open {folder / 'trace.json.gz'} in https://ui.perfetto.dev")
    return 0


def format_profile(name: str, found: "StepProfile") -> str:
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


def _table(title: str, rows: "Sequence[Row]", whole: float) -> str:
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
