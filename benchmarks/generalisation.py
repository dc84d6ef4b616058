#!/usr/bin/env python
"""What helps on domains that a training never saw: method x seed over three shifts.

Trains every row of `generalisation_plan.py` with every seed, scores it on the shift's source and
targets, and compares it with the plain network on the same seeds and frames. A finished run is
not trained again, so that the command may be given to several processes with different seeds, and
then once with all seeds and `--results` for the table. Settings are chosen by `--read selection`;
`--read report` reads the frames that nothing was chosen on, with seeds of its own. `--time`
measures what a training step of each row costs, and trains nothing else.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2

from benchmarks.generalisation_plan import METHODS, PLAIN, SHIFTS, method, row_overrides
from segibn.cli.arguments import add_datasets_argument, datasets_root
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.errors import ConfigError, SegibnError

FIXED = ("data.val=null", "data.workers=0")
"""Of every run: nothing is scored while it trains, so that its last checkpoint is the one."""


def main(argv: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(argv)
    if "OMP_NUM_THREADS" in os.environ:  # OpenCV's own threads do not heed it
        cv2.setNumThreads(int(os.environ["OMP_NUM_THREADS"]))
    try:
        rows = chosen_rows(options)
        configs = {row: [row_config(options, row, seed) for seed in options.seeds] for row in rows}
        return time_steps(options, configs) if options.time else run(options, configs)
    except SegibnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train and score methods of domain generalisation over a shift.")
    parser.add_argument("--shift", choices=tuple(SHIFTS), required=True)
    parser.add_argument(
        "--rows",
        nargs="+",
        metavar="ROW",
        help=f"default: all that need no weights; '{PLAIN}' and what a row builds on come along",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="RUNS", help="folder for the run folders")
    parser.add_argument("--results", type=Path, metavar="DIR", help="also write <shift>.json in this folder")
    parser.add_argument(
        "--read",
        choices=("selection", "report"),
        default="selection",
        help="which frames to score: those to choose settings on, or those that are read once",
    )
    parser.add_argument("--weights", metavar="FILE", help="weights of the backbone that every row starts from")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="config values of every row")
    parser.add_argument("--resamples", type=int, default=10_000, help="of the frames, for the intervals")
    parser.add_argument("--time", action="store_true", help="time training steps; --results writes step_time.json")
    parser.add_argument("--pairs", type=int, default=20, help="steps of each to time (20)")
    return parser


def chosen_rows(options: argparse.Namespace) -> list[str]:
    """Return the rows to run in the order of the plan, with those that they are compared with.

    Raises:
        ConfigError: a row is not in the plan, or needs weights.
    """
    given = options.rows or [row for row, found in METHODS.items() if options.weights or not found.needs_weights]
    wanted = {PLAIN}
    for row in given:
        found = method(row)
        if found.needs_weights and not options.weights:
            raise ConfigError(
                f"row '{row}' compares with the features of pretrained weights; a training from "
                "scratch has none. Give --weights FILE, or leave the row out"
            )
        wanted |= {row} | ({found.on} if found.on else set())
    return [row for row in METHODS if row in wanted]


def row_config(options: argparse.Namespace, row: str, seed: int) -> RunConfig:
    """Return the config of one training; its name, and so its run folder, carries shift and row.

    Raises:
        ConfigError: the row's overrides do not make a valid config.
    """
    shift = SHIFTS[options.shift]
    weights = [f"model.weights={options.weights}"] if options.weights else []
    overrides = [*FIXED, *row_overrides(shift, row), *weights, *options.set]
    named = [f"name={options.shift}_{row}", f"seed={seed}"]
    try:
        return load_config(shift.config, [*overrides, *named])
    except ConfigError as error:
        raise ConfigError(f"row '{row}': {error}") from None


def run(options: argparse.Namespace, configs: dict[str, list[RunConfig]]) -> int:
    """Train what is not there, score it, print the table and write the results if asked to.

    Raises:
        ConfigError: there is no --output.
        SegibnError: a seed was read for the other part, a training failed or was stopped.
    """
    from benchmarks.generalisation_results import Reading, require_other_seeds, write_results
    from segibn.runs.study import train_once

    require_other_seeds(options.shift, options.read, options.seeds, options.output, options.results)
    root = datasets_root(options.datasets)
    reading = Reading(options.shift, options.read, root, options.resamples, options.set)
    for row, trainings in configs.items():
        for config in trainings:
            reading.add(row, train_once(config, root, options.output))
            print(reading.describe_last(row), flush=True)
    if options.results is not None:
        print(f"results: {write_results(reading, options)}")
    return 0


def time_steps(options: argparse.Namespace, configs: dict[str, list[RunConfig]]) -> int:
    """Time training steps, print the table and write `step_time.json` if asked to."""
    from benchmarks.generalisation_time import time_rows, write_times

    records = time_rows(options, configs, datasets_root(options.datasets))
    if options.results is not None:
        print(f"times: {write_times(options.results, records)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
