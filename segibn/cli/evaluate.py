"""``evaluate``: one trained network, one labelled set -> a table, a JSON file, pictures."""

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import add_datasets_argument, datasets_root
from segibn.cli.inference import add_inference_arguments, device_of, inference_options
from segibn.cli.measurements import add_measurement_arguments, complete, show
from segibn.cli.parser import print_next, verb_parser
from segibn.config.dataset_names import OFFICIAL
from segibn.errors import ConfigError

if TYPE_CHECKING:
    from segibn.config.schema import DatasetConfig

EXAMPLE = """\
examples:
  segibn evaluate runs/gta5_ibn --dataset cityscapes --split val --output scores.json
  segibn evaluate runs/a --recipe inference/multi_scale_flip --ensemble runs/b
  torchrun --nproc_per_node=4 -m segibn evaluate runs/gta5_ibn     (the run's own held-out set)
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("evaluate", "Score a trained network on a labelled set.", EXAMPLE)
    parser.add_argument("run", metavar="RUN_OR_CHECKPOINT", help="run folder or .pt file")
    known = OFFICIAL
    parser.add_argument("--dataset", choices=known, help="default: the data.val of the run")
    parser.add_argument("--split", default="val", help="split of --dataset (default: val)")
    parser.add_argument(
        "--label-map", choices=("robustnet", "rein"), help="mapillary: which map to the 19 classes"
    )
    parser.add_argument("--names-file", metavar="FILE", help="only the samples it lists")
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write scores to it")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write frame, truth, prediction and errors"
    )
    parser.add_argument(
        "--picture-count", type=int, default=20, metavar="N", help="how many, evenly spread (20)"
    )
    add_measurement_arguments(parser, calibration=True)
    add_inference_arguments(parser, ensemble=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)

    from segibn import distributed  # torch only after the arguments are known to be right
    from segibn.cli.pictures import ScorePictures
    from segibn.cli.scoring import circumstances, frames_of, load_ensemble, score_run
    from segibn.files import writable_folder, write_json

    if arguments.output:
        writable_folder(arguments.output.parent)
    run = load_ensemble(arguments)
    dataset = _dataset(arguments, run.config.data.val)
    device, options = device_of(arguments), inference_options(arguments, run.config)
    root = datasets_root(arguments.datasets)
    observe = None
    if arguments.pictures:
        names = [sample.name for sample in frames_of(run, dataset, root).samples]
        observe = ScorePictures(arguments.pictures, names, run.palette, arguments.picture_count)
    started = time.monotonic()
    with distributed.process_group(device):
        scores = score_run(
            run,
            dataset,
            root,
            device=device,
            options=options,
            observe=observe,
            measure=[name for name in ("boundary", "calibration") if getattr(arguments, name)],
        )
    if not distributed.is_main():
        return 0
    scores = complete(scores, arguments)
    print(show(scores, arguments))
    if arguments.output:
        extra = run.record() | circumstances(device, options)
        extra["duration_s"] = round(time.monotonic() - started, 3)
        write_json(arguments.output, scores.to_dict(extra))
        print(f"scores: {arguments.output}")
    print_next(_report_command(arguments))
    return 0


def _dataset(arguments: argparse.Namespace, own: "DatasetConfig | None") -> "DatasetConfig":
    """The set that was asked for; without --dataset the run's own held-out one."""
    from segibn.config.schema import DatasetConfig

    if arguments.dataset is not None:
        if arguments.label_map and arguments.dataset != "mapillary":
            raise ConfigError(f"--label-map belongs to mapillary, not to {arguments.dataset}")
        return DatasetConfig(
            name=arguments.dataset,
            split=arguments.split,
            names_file=arguments.names_file,
            label_map=arguments.label_map,
        )
    if own is None:
        raise ConfigError(
            f"{arguments.run} was trained without data.val; say what to score it on, such as "
            "--dataset cityscapes --split val"
        )
    if arguments.names_file:
        return own.model_copy(update={"names_file": arguments.names_file})
    return own


def _report_command(arguments: argparse.Namespace) -> str:
    """The report of the run and of these scores; of the scores alone where there is no folder."""
    parts = [arguments.run] if Path(arguments.run).is_dir() or not arguments.output else []
    parts += [str(arguments.output)] if arguments.output else []
    parts += ["--datasets", str(arguments.datasets)] if arguments.datasets else []
    return shlex.join(["segibn", "report", *parts])
