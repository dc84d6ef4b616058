"""``study``: several configs x several seeds, trained and scored on the same sets -> one table."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from segibn.cli.arguments import SET, add_datasets_argument, datasets_root, datasets_words, refuse_set, require_runs
from segibn.cli.parser import VerbParser, command_text, print_next, print_then, verb_parser
from segibn.models.plans import AnyIbnName
from segibn.text.streams import outliving_readers

EXAMPLE = """\
examples:
  segibn study real/camera_ibn --ibn none a b --seeds 0 1 2 --datasets /data --output runs/camera \\
      --on camvid:val cityscapes:val --results results/camera_to_camera
  segibn study my_config.yaml --grid optim.lr=0.01,0.03 data.crop_size=[256,512],[512,512] --output runs/grid
  segibn study cityscapes_ibn --from runs/gta5_ibn --baseline --grid data.train.fraction=0.1,0.2,0.3,1 \\
      --on cityscapes:val --output runs/fine_tune     (IBN-Net's fine-tuning on shares of the target)

The label of --on names a column, that of --train-label the training domain; where both are the
same, the table takes that column as the network's own domain and gives the others' drop.
--grid trains every combination; of a+b=1+2,3+4 two keys change together. With --from each training
starts from the source with its network and, where there are several, its seed; with other classes
the classifier starts fresh. Shares of a set are nested: a smaller one is part of every larger one.

A finished run is not trained again and an interrupted one is resumed, so that the command may be
repeated, and given with fewer configs or seeds to several processes at a time.
"""


@verb_parser("study", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("configs", nargs="+", type=Path, help="YAML files, or names of shipped configs")
    add("--train-label", metavar="LABEL", help="name of the training domain in the table")
    add("--grid", nargs="+", default=[], metavar="KEY=V,V", help="values of a config key, each of which is trained")
    about = "run folders or files that trainings start from"
    add("--from", nargs="+", default=[], dest="sources", metavar="RUN", help=about)
    add("--baseline", action="store_true", help="train each without a source too, from model.weights")
    add("--on", nargs="+", default=[], metavar=SET, help="sets to score on; without any, the study only trains")
    add("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    about = "train each config with these in place of its model.backbone.ibn, each in its name"
    add("--ibn", nargs="+", default=[], choices=get_args(AnyIbnName), help=about)
    add_datasets_argument(parser)
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the run folders")
    add("--results", type=Path, metavar="DIR", help="folder for the table (default: --output)")
    add("--set", nargs="+", default=[], metavar="key=value", help="config values to replace")
    parser.needs("--train-label", "--on")
    parser.needs("--results", "--on")
    parser.needs("--baseline", "--from")


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    refuse_set(arguments.set, "seed", "--seeds")
    if arguments.ibn:
        refuse_set(arguments.set, "model.backbone.ibn", "--ibn")
    require_runs(arguments.sources)

    from segibn.runs.sets import parse_labelled_sets
    from segibn.runs.study import load_configs, start_from, train_once

    root, output = datasets_root(arguments.datasets), arguments.output
    sets = parse_labelled_sets(arguments.on)
    configs = list(load_configs(arguments.configs, arguments.set, arguments.seeds, arguments.ibn, arguments.grid))
    if arguments.sources:
        from segibn.runs.loading import load_checkpoint  # torch only after the configs are right

        sources = [load_checkpoint(run) for run in arguments.sources]
        started = [start_from(config, sources, root) for config in configs]
        configs = [*(configs if arguments.baseline else []), *started]
    runs = [train_once(config, root, output) for config in configs]
    if not sets:
        command = command_text("cross-domain", *runs, *datasets_words(arguments.datasets))
        print_then(f"{command} --on SET [SET ...], with sets such as cityscapes:val")
        return 0

    from segibn.runs.cross_domain import MARKDOWN_FILE, Scoring, cross_domain
    from segibn.runs.loading import load_checkpoint

    results = arguments.results or output
    loaded = [load_checkpoint(run) for run in runs]
    cross_domain(loaded, Scoring(sets, root), results, train_label=arguments.train_label)
    print((results / MARKDOWN_FILE).read_text(encoding="utf-8"))
    print_next("report", *dict.fromkeys((results, output)), *datasets_words(arguments.datasets))
    return 0
