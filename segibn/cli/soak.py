"""``soak``: one training uninterrupted, the same one killed and resumed; do they end alike?"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segibn import provenance
from segibn.cli.arguments import add_datasets_argument, datasets_root
from segibn.config.load import load_config
from segibn.errors import SegibnError
from segibn.files import write_json

SAMPLE_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "sample_ibn.yaml"
DEFAULTS = ["engine.log_every=1", "engine.checkpoint_every=5"]
TIMED_ITERATIONS = 24

EXAMPLE = """\
example:
  python tools/soak.py                                       # painted frames, a minute or two
  python tools/soak.py configs/gta5_ibn.yaml --datasets /data --minutes 30 --processes 2

Kills take turns: SIGKILL of one rank, SIGKILL of all processes, SIGTERM of torchrun; each at a
random moment, each followed by --resume auto. Then the two last checkpoints are compared, every
tensor of them to the last bit, and both loss curves.

exit codes: 0 the two runs are equal; 1 they differ; 2 a run failed
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="soak.py",
        description="Train once uninterrupted and once killed and resumed, and compare the bits.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", type=Path, nargs="?", help="YAML file (default: sample_ibn on painted frames)"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="key=value", help="config values to replace"
    )
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, default=Path("runs/soak"), metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: soak.json in --output")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--kills", type=int, default=2, metavar="K")
    parser.add_argument("--kill-seed", type=int, default=0, help="of the moments of the kills")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--iterations", type=int, default=40, metavar="N")
    length.add_argument(
        "--minutes", type=float, help="as many iterations as the uninterrupted run does in these"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; see ``EXAMPLE`` for what it returns."""
    arguments = build_parser().parse_args(argv)
    output: Path = arguments.output
    if output.exists() and any(output.iterdir()):
        raise SegibnError(f"{output} is not empty; remove it or choose another --output")
    root = datasets_root(arguments.datasets) if arguments.config else _paint(output / "data")
    report = soak(
        arguments.config or SAMPLE_CONFIG,
        [*DEFAULTS, *arguments.set],
        datasets=root,
        output=output,
        processes=arguments.processes,
        kills=arguments.kills,
        kill_seed=arguments.kill_seed,
        iterations=arguments.iterations,
        minutes=arguments.minutes,
    )
    write_json(arguments.json or output / "soak.json", report)
    for line in report["differences"]:
        print(f"  {line}")
    print("equal, to the last bit" if report["equal"] else "the two runs DIFFER")
    return 0 if report["equal"] else 1


def soak(
    config_file: Path,
    overrides: Sequence[str],
    *,
    datasets: Path,
    output: Path,
    processes: int,
    kills: int,
    kill_seed: int,
    iterations: int,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Train twice into ``output/whole`` and ``output/cut`` and compare.

    Args:
        config_file: what to train.
        overrides: config values to replace.
        datasets: folder above the data sets.
        output: folder for the runs and ``log.txt``.
        processes: of each run.
        kills: how many.
        kill_seed: of their moments.
        iterations: of each run; not used if ``minutes`` is given,
        minutes: how long the uninterrupted run is to take, by the speed of a first short one.

    Returns:
        What ``--json`` writes.

    Raises:
        SegibnError: a run failed, or ended before it could be killed.
    """
    from segibn.cli.cut_launch import Launch, plan_cuts, run_whole, run_with_cuts
    from segibn.engine.run_dir import RunDir
    from segibn.engine.same_run import compare_runs, count_values

    def launch(name: str, *more: str) -> Launch:
        config = load_config(config_file, [*overrides, *more])
        batch, run = config.optim.global_batch_size, RunDir(output / name)
        log = output / "log.txt"
        return Launch(config_file, [*overrides, *more], datasets, run, processes, batch, log)

    if minutes is not None:
        iterations = _iterations_in(minutes, launch)
    cuts = plan_cuts(kills, iterations, processes, kill_seed)
    whole, cut = (launch(name, f"optim.iterations={iterations}") for name in ("whole", "cut"))
    print(f"{iterations} iterations, {processes} processes, uninterrupted: {whole.run.path}")
    whole_s = run_whole(whole)
    print(f"  {whole_s:.0f} s; the same, killed {kills} times: {cut.run.path}", flush=True)
    launches = run_with_cuts(cut, cuts)
    differences = compare_runs(whole.run, cut.run)
    return {
        "equal": not differences,
        "differences": differences,
        "compared": count_values(whole.run),
        "iterations": iterations,
        "processes": processes,
        "kills": launches[:-1],
        "kill_seed": kill_seed,
        "planned_cuts": [dataclasses.asdict(one) for one in cuts],
        "uninterrupted_s": round(whole_s, 1),
        "cut_s": round(sum(part["duration_s"] for part in launches), 1),
        **_circumstances(whole, overrides),
    }


def _iterations_in(minutes: float, launch: Any) -> int:
    """Time a short run, which tells the speed; its own start is not in it."""
    from segibn.cli.cut_launch import run_whole, seconds_per_iteration

    timing = launch("timing", f"optim.iterations={TIMED_ITERATIONS}", "optim.warmup_iterations=0")
    run_whole(timing)
    pace = seconds_per_iteration(timing)
    print(f"  {pace:.2f} s for an iteration: {timing.run.path}")
    return max(TIMED_ITERATIONS, round(60 * minutes / pace))


def _circumstances(launch: Any, overrides: Sequence[str]) -> dict[str, Any]:
    """What the result rests on: command, versions, machine, frames by name."""
    from segibn import distributed
    from segibn.data.build import index_dataset
    from segibn.engine.precision import choose_dtype
    from segibn.engine.scoring import set_name

    config = load_config(launch.config, overrides)
    device = distributed.default_device()
    sets = [*config.data.sources, *([config.data.val] if config.data.val else [])]
    return {
        "command": provenance.command_line(),
        "config": config.name,
        "overrides": list(overrides),
        "git_revision": provenance.git_revision(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "device": device.type,
        "precision": str(choose_dtype(config.engine.precision, device)).removeprefix("torch."),
        "frames": {
            set_name(dataset): [sample.name for sample in index_dataset(dataset, launch.datasets)]
            for dataset in sets
        },
    }


def _paint(folder: Path) -> Path:
    """Paint a few sample frames to train on."""
    from segibn.synthetic.write import SampleSpec, write_sample_data

    write_sample_data(folder, SampleSpec(frames=(24, 6), sets=("gta5",)))
    return folder
