"""``compare_inference``: trained networks x ways to show them a frame -> a table of scores."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.arguments import (
    add_datasets_argument,
    datasets_root,
    parse_labelled_sets,
    require_runs,
)
from segibn.cli.inference import add_inference_arguments, inference_options, refuse_ensemble
from segibn.cli.parser import command_text, print_then, verb_parser
from segibn.errors import ConfigError

if TYPE_CHECKING:
    from segibn.config.data import DatasetConfig

EXAMPLE = """\
example, after `make demo`: whole frames against sliding windows
  segibn compare-inference runs/demo/runs/sample_none_seed0 \\
      runs/demo/runs/sample_ibn_seed0 --datasets runs/demo/data_seed0 \\
      --on gta5:val cityscapes:val --recipes inference/whole \\
      inference/sample_slide --output out

writes inference.json (a list of rows, scores as fractions), inference.md and conditions.json
"""
ROWS_FILE, MARKDOWN_FILE, CONDITIONS_FILE = "inference.json", "inference.md", "conditions.json"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "compare-inference", "Score networks under several recipes for test time.", EXAMPLE
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--on",
        nargs="+",
        required=True,
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="sets to score on; LABEL names them in the table",
    )
    parser.add_argument(
        "--recipes",
        nargs="+",
        type=Path,
        required=True,
        metavar="FILE",
        help="the ways, the first one as what the others are compared with",
    )
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    add_inference_arguments(parser, views=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)
    sets = parse_labelled_sets(arguments.on)
    ways = _ways(arguments)

    from segibn import distributed
    from segibn.cli.inference import device_of
    from segibn.evaluation.inference_table import format_inference
    from segibn.files import write_json, write_text

    with distributed.process_group(device_of(arguments)):
        rows, conditions = _score_all(arguments, sets, ways)
    if not distributed.is_main():
        return 0
    table = format_inference(rows)
    print(table)
    if arguments.output is not None:
        write_json(arguments.output / ROWS_FILE, rows)
        write_json(arguments.output / CONDITIONS_FILE, conditions)
        write_text(arguments.output / MARKDOWN_FILE, table)
        print(f"files: {arguments.output}")
    best = max(rows, key=lambda row: row["miou"])
    recipe = next(path for path in arguments.recipes if path.stem == best["way"])
    command = command_text("predict", arguments.runs[0], "FRAMES", "--recipe", recipe)
    print_then(f"frames of your own in the best of these ways: {command}")
    return 0


def _score_all(
    arguments: argparse.Namespace,
    sets: "Mapping[str, DatasetConfig]",
    ways: Mapping[str, argparse.Namespace],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every run on every set in every way; on every rank."""
    from segibn.cli.inference import device_of
    from segibn.cli.scoring import circumstances, score_run
    from segibn.runs.loading import load_checkpoint

    device = device_of(arguments)
    root = datasets_root(arguments.datasets)
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {"frames": {}, "ways": {}}
    for path in arguments.runs:
        run = load_checkpoint(path)
        record = run.record()
        options = {way: inference_options(given, run.options) for way, given in ways.items()}
        for label, dataset in sets.items():
            for way, chosen in options.items():
                scores = score_run(run, dataset, root, device=device, options=chosen)
                rows.append(_row(record, label, way, scores.to_dict()))
                conditions = circumstances(device, chosen) | {
                    "frames": conditions["frames"] | {label: list(scores.frames)},
                    "ways": conditions["ways"] | {way: chosen.to_dict()},
                }
    conditions.pop("inference")
    return rows, conditions


def _ways(arguments: argparse.Namespace) -> dict[str, argparse.Namespace]:
    """Name of a recipe -> the arguments with it.

    Raises:
        ConfigError: two recipes of one name, or one that averages several networks.
    """
    ways: dict[str, argparse.Namespace] = {}
    for path in arguments.recipes:
        if path.stem in ways:
            raise ConfigError(f"--recipes: two are called {path.stem}; the table needs two names")
        ways[path.stem] = argparse.Namespace(**{**vars(arguments), "recipe": path})
        refuse_ensemble(ways[path.stem])
    return ways


def _row(record: dict[str, Any], label: str, way: str, scores: dict[str, Any]) -> dict[str, Any]:
    """The headline numbers first, then what they rest on."""
    row = {"train": record["train"], "test": label, "ibn": record["ibn"], "seed": record["seed"]}
    row |= {"way": way, "inference": scores["conditions"]["inference"]}
    row |= {key: scores[key] for key in ("miou", "pixel_accuracy")} | record
    kept = ("signature", "num_images", "version", "iou", "class_names", "confusion")
    return row | {key: scores[key] for key in kept}
