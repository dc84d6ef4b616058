"""``evaluate``: one trained network, one labelled set -> a table, a JSON file, pictures."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import (
    add_datasets_argument,
    add_outside_arguments,
    datasets_root,
    datasets_words,
    outside_said,
    parse_positive,
    require_runs,
)
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.measurements import add_measurement_arguments, show
from segibn.cli.parser import VerbParser, is_first_rank, print_next, print_then, verb_parser
from segibn.config.shipped import names_config
from segibn.data.datasets.catalog import DATASETS
from segibn.evaluation.measures import METRICS, with_intervals
from segibn.files.writing import write_json
from segibn.runs.outside import kind_of

EXAMPLE = """\
examples:
  segibn evaluate runs/gta5_ibn --dataset cityscapes --split val --output scores.json
  segibn evaluate runs/own --split test        (another split of the run's own held-out set)
  segibn evaluate runs/a --recipe inference/multi_scale_flip --ensemble runs/b
  torchrun --nproc_per_node=4 -m segibn evaluate runs/gta5_ibn     (the run's own held-out set)
"""


@verb_parser("evaluate", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN_OR_CHECKPOINT", help="run folder or name, a file, or another's")
    about = "cityscapes, gta5 ..., or a config: its data.val (default: the data.val of the run)"
    add("--dataset", metavar="NAME", help=about)
    add("--split", help="of the data set (default: val, or as the config of a run or set says)")
    add("--label-map", choices=("robustnet", "rein"), help="which map to the 19 classes")
    add("--names-file", metavar="FILE", help="only the samples it lists")
    add_datasets_argument(parser)
    add("--output", type=Path, metavar="FILE.json", help="write scores to it")
    add("--pictures", type=Path, metavar="DIR", help="write frame, truth, prediction and errors")
    add("--picture-count", type=parse_positive, default=20, metavar="N", help="of them, spread evenly (20)")
    parser.needs("--picture-count", "--pictures")
    add_measurement_arguments(parser, network=True)
    add_inference_arguments(parser, ensemble=True)
    add_outside_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from segibn.runs.sets import changed_set, held_out_set, named_set

    inference = inference_config(arguments)
    require_runs([arguments.run, *inference.ensemble])
    said = outside_said(arguments, [arguments.run])
    root, name = datasets_root(arguments.datasets), arguments.dataset
    given = {key: getattr(arguments, key) for key in ("split", "names_file", "label_map")}
    dataset = None
    if name is not None and name not in DATASETS and names_config(name):
        dataset = changed_set(held_out_set(name), root, **given)
    elif name is not None:
        dataset = named_set(name, **given | {"split": given["split"] or "val"})

    from segibn.runs.evaluate import evaluate  # torch only after the arguments are right

    how = {key: getattr(arguments, key) for key in ("device", "pictures", "picture_count")}
    metrics = [metric.name for metric in METRICS if getattr(arguments, metric.name)]
    how |= {"changes": given, "inference": inference, "metrics": metrics, "said": said}
    scores, record = evaluate(arguments.run, dataset, root, **how)
    if not is_first_rank():
        return 0
    scores = with_intervals(scores) if arguments.intervals else scores
    print(show(scores, arguments.rates))
    if arguments.output:
        write_json(arguments.output, scores.to_dict(record))
        print(f"scores: {arguments.output}")
    # A checkpoint alone has no report without --output.
    is_run = kind_of(arguments.run) is None and not Path(arguments.run).is_file()
    if parts := [*([arguments.run] if is_run else []), *([arguments.output] if arguments.output else [])]:
        print_next("report", *parts, *(datasets_words(arguments.datasets) if is_run else []))
    else:
        print_then("the same command with --output scores.json keeps the scores for a report")
    return 0
