"""``evaluate``: one trained network, one labelled set -> a table, a JSON file, pictures."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import (
    add_datasets_argument,
    changed_set,
    datasets_root,
    datasets_words,
    named_set,
    parse_positive,
    require_runs,
)
from segibn.cli.inference import (
    add_inference_arguments,
    device_of,
    ensemble_runs,
    inference_options,
)
from segibn.cli.measurements import add_measurement_arguments, complete, measures_of, show
from segibn.cli.parser import print_next, print_then, verb_parser
from segibn.config.shipped import names_config
from segibn.data.datasets.catalog import DATASETS
from segibn.errors import ConfigError

if TYPE_CHECKING:
    from segibn.config.data import DatasetConfig

EXAMPLE = """\
examples:
  segibn evaluate runs/gta5_ibn --dataset cityscapes --split val --output scores.json
  segibn evaluate runs/own --split test        (another split of the run's own held-out set)
  segibn evaluate runs/a --recipe inference/multi_scale_flip --ensemble runs/b
  torchrun --nproc_per_node=4 -m segibn evaluate runs/gta5_ibn     (the run's own held-out set)
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("evaluate", "Score a trained network on a labelled set.", EXAMPLE)
    parser.add_argument(
        "run", metavar="RUN_OR_CHECKPOINT", help="run folder, name of a run, or .pt file"
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="cityscapes, gta5 ..., or a config: its data.val (default: the data.val of the run)",
    )
    parser.add_argument(
        "--split", help="of the data set (default: val, or as the config of a run or set says)"
    )
    parser.add_argument(
        "--label-map", choices=("robustnet", "rein"), help="which map to the 19 classes"
    )
    parser.add_argument("--names-file", metavar="FILE", help="only the samples it lists")
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write scores to it")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write frame, truth, prediction and errors"
    )
    parser.add_argument(
        "--picture-count",
        type=parse_positive,
        default=20,
        metavar="N",
        help="how many, spread evenly (20)",
    )
    parser.needs("--picture-count", "--pictures")
    add_measurement_arguments(parser, network=True)
    add_inference_arguments(parser, ensemble=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)
    require_runs([arguments.run])
    require_runs(ensemble_runs(arguments))
    root = datasets_root(arguments.datasets)
    dataset = None if arguments.dataset is None else _dataset(arguments, None, root)

    from segibn import distributed  # torch only after the arguments are known to be right
    from segibn.cli.pictures import ScorePictures
    from segibn.cli.scoring import circumstances, frames_of, load_ensemble, score_run
    from segibn.files import write_json

    run = load_ensemble(arguments)
    dataset = dataset or _dataset(arguments, run.config.data.val, root)
    device, options = device_of(arguments), inference_options(arguments, run.options)
    measures = measures_of(arguments, run.class_names)
    if arguments.pictures:
        names = [sample.name for sample in frames_of(run, dataset, root).samples]
        pictures = ScorePictures(arguments.pictures, names, run.palette, arguments.picture_count)
        measures.append(pictures)
    started = time.monotonic()
    with distributed.process_group(device):
        scores = score_run(run, dataset, root, device=device, options=options, measures=measures)
    if not distributed.is_main():
        return 0
    scores = complete(scores, arguments)
    print(show(scores, arguments))
    if arguments.output:
        extra = run.record() | circumstances(device, options)
        extra["duration_s"] = round(time.monotonic() - started, 3)
        write_json(arguments.output, scores.to_dict(extra))
        print(f"scores: {arguments.output}")
    _say_next(arguments)
    return 0


def _dataset(
    arguments: argparse.Namespace, own: "DatasetConfig | None", root: Path
) -> "DatasetConfig":
    """The set that was asked for; without --dataset the run's own held-out one."""
    given = {name: getattr(arguments, name) for name in ("split", "names_file", "label_map")}
    name = arguments.dataset
    if name is not None and name not in DATASETS and names_config(name):
        from segibn.config.load import load_config

        own = load_config(name).data.val
    elif name is not None:
        return named_set(name, **given | {"split": given["split"] or "val"})
    if own is None:
        raise ConfigError(
            f"{name or arguments.run} has no data.val; say what to score the run on, such as "
            "--dataset cityscapes --split val"
        )
    return changed_set(own, root, **given)


def _say_next(arguments: argparse.Namespace) -> None:
    """The report of the run and of these scores; a checkpoint alone has none without --output."""
    run = [] if Path(arguments.run).is_file() else [arguments.run]
    if parts := [*run, *([arguments.output] if arguments.output else [])]:
        print_next("report", *parts, *(datasets_words(arguments.datasets) if run else []))
    else:
        print_then("the same command with --output scores.json keeps the scores for a report")
