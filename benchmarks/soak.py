#!/usr/bin/env python
"""One training uninterrupted, the same one killed and resumed: do they end with the same bits?

Kills take turns: SIGKILL of one rank, SIGKILL of all processes, SIGTERM of torchrun; each at a
random moment, each followed by ``--resume auto``. Then the last two checkpoints are compared, every
tensor of them to the last bit, and both loss curves. Exit codes: 0 the two runs are equal; 1 they
differ; 2 a run failed.

    python benchmarks/soak.py                         # synthetic frames, a minute or two
    python benchmarks/soak.py gta5_ibn --datasets /data --minutes 30 --processes 2
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cut_launch import (
    Cut,
    Launch,
    plan_cuts,
    prepare_launch,
    run_whole,
    run_with_cuts,
    seconds_per_iteration,
)
from benchmarks.same_run import compare_runs, count_values
from painted_scenes.spec import SampleSpec
from painted_scenes.write import write_sample_data
from segibn import provenance
from segibn.builders.sets import index_dataset
from segibn.cli import run_main
from segibn.cli.arguments import add_datasets_argument, datasets_root, parse_positive, refuse_set
from segibn.cli.parser import VerbParser
from segibn.config.load import load_config
from segibn.config.shipped import find_config
from segibn.devices import default_device
from segibn.engine.precision import choose_dtype
from segibn.errors import SegibnError
from segibn.files.writing import write_json
from segibn.models.weights.state import shortened
from segibn.text.streams import outliving_readers

SAMPLE_CONFIG = "sample_ibn"
DEFAULTS = ["engine.log_every=1", "engine.checkpoint_every=5"]
TIMED_ITERATIONS = 24


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the script."""
    parser = VerbParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, nargs="?", help="YAML file (default: sample_ibn on synthetic frames)")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="config values to replace")
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, default=Path("runs/soak"), metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: soak.json in --output")
    parser.add_argument("--processes", type=parse_positive, default=2, metavar="N")
    parser.add_argument("--kills", type=parse_positive, default=2, metavar="K")
    parser.add_argument("--kill-seed", type=int, default=0, help="of the moments of the kills")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--iterations", type=parse_positive, default=40, metavar="N")
    length.add_argument("--minutes", type=float, help="as many iterations as the uninterrupted run does in these")
    return parser


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    """Train, kill, resume, compare; returns 1 where the two runs differ."""
    arguments = build_parser().parse_args(argv)
    refuse_set(arguments.set, "optim.iterations", "--iterations or --minutes")
    if arguments.datasets and not arguments.config:
        raise SegibnError("--datasets has no effect without a CONFIG: the frames are synthetic")

    output: Path = arguments.output
    if output.exists() and any(output.iterdir()):
        raise SegibnError(f"{output} is not empty; remove it or choose another --output")
    config = find_config(arguments.config or SAMPLE_CONFIG)
    load_config(config, arguments.set)  # a mistake in it must show before anything is painted
    root = datasets_root(arguments.datasets) if arguments.config else _paint(output / "data")

    def launch(name: str, *more: str) -> Launch:
        overrides = [*DEFAULTS, *arguments.set, *more]
        return prepare_launch(config, overrides, root, output / name, arguments.processes)

    iterations = arguments.iterations
    if arguments.minutes is not None:
        iterations = _iterations_in(arguments.minutes, launch)
    cuts = plan_cuts(arguments.kills, iterations, arguments.processes, arguments.kill_seed)
    whole, cut = (launch(name, f"optim.iterations={iterations}") for name in ("whole", "cut"))
    report = soak(whole, cut, cuts)
    write_json(arguments.json or output / "soak.json", report)
    if report["equal"]:
        print("equal, to the last bit")
        return 0
    print("the two runs DIFFER:\n" + shortened(report["differences"], limit=20))
    return 1


def soak(whole: Launch, cut: Launch, cuts: Sequence[Cut]) -> dict[str, Any]:
    """Run a training to its end and another with cuts, and compare what they leave.

    Returns:
        What ``--json`` writes: whether they are "equal", the "differences", how much was
        "compared", the "kills" as they came (see ``run_with_cuts``), times, and what it rests on.

    Raises:
        SegibnError: a run failed, or ended before it could be killed.
    """
    iterations = load_config(whole.config, whole.overrides).optim.iterations
    print(f"{iterations} iterations, {whole.processes} processes: {whole.run.path}", flush=True)
    whole_s = run_whole(whole)
    print(f"  {whole_s:.0f} s; the same, killed {len(cuts)} times: {cut.run.path}", flush=True)
    launches = run_with_cuts(cut, cuts)
    differences = compare_runs(whole.run, cut.run)
    return {
        "equal": not differences,
        "differences": differences,
        "compared": count_values(whole.run),
        "iterations": iterations,
        "processes": whole.processes,
        "kills": launches[:-1],
        "planned_cuts": [dataclasses.asdict(one) for one in cuts],
        "uninterrupted_s": round(whole_s, 1),
        "cut_s": round(sum(part["duration_s"] for part in launches), 1),
        **_circumstances(whole),
    }


def _iterations_in(minutes: float, launch: Callable[..., Launch]) -> int:
    """Time a short run, which tells the speed; its own start is not in it."""
    timing = launch("timing", f"optim.iterations={TIMED_ITERATIONS}", "optim.warmup_iterations=0")
    run_whole(timing)
    pace = seconds_per_iteration(timing)
    print(f"  {pace:.2f} s for an iteration: {timing.run.path}", flush=True)
    return max(TIMED_ITERATIONS, round(60 * minutes / pace))


def _circumstances(launch: Launch) -> dict[str, Any]:
    """What the result rests on: command, versions, machine, frames by name."""
    config = load_config(launch.config, launch.overrides)
    device = default_device()
    sets = [*config.data.sources, *([config.data.val] if config.data.val else [])]
    return {
        "command": provenance.command_line(),
        "config": config.name,
        "overrides": list(launch.overrides),
        "git_revision": provenance.git_revision(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "device": device.type,
        "precision": str(choose_dtype(config.engine.precision, device)).removeprefix("torch."),
        "frames": {
            dataset.title: [sample.name for sample in index_dataset(dataset, launch.datasets)] for dataset in sets
        },
    }


def _paint(folder: Path) -> Path:
    """Paint a few sample frames to train on."""
    write_sample_data(folder, SampleSpec(frames=(24, 6), sets=("gta5",)))
    return folder


if __name__ == "__main__":
    run_main(main)
