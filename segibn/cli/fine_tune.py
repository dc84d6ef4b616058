"""``fine-tune``: trained networks on shares of a target, beside networks trained without them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import add_study_arguments, datasets_root, require_runs, study_changes
from segibn.cli.parser import VerbParser, is_first_rank, print_then, verb_parser
from segibn.config.shipped import names_config
from segibn.text.streams import outliving_readers

SHARES = (0.1, 0.2, 0.3, 1.0)

EXAMPLE = """\
examples:
  segibn fine-tune cityscapes_none cityscapes_ibn \\
      --from runs/gta5_none runs/gta5_ibn --datasets /data --output runs/fine_tune
  segibn fine-tune cityscapes_ibn --from gta5_ibn \\
      --shares 0.1 1 --seeds 0 1 2 --datasets /data --output runs/fine_tune \\
      --on bdd100k_semseg:val --results results/fine_tune

The configs are those of the target. Each starts from the source with its network (backbone and
ibn) and, where there are several, its seed. With other classes the classifier starts fresh; what
is taken is printed and kept in each run folder's init_from.json. The shares are nested: a smaller
one is part of every larger one. Each is trained for optim.iterations, or with --same-epochs for
its share of them: the small ones then see a frame no oftener than the large ones.

--set and --ibn also act on sources that are trained first. A finished run is not trained again and
an interrupted one is resumed, so that the command may be repeated.

writes fine_tune.json (a list of rows, scores as fractions), conditions.json, fine_tune.md and
fine_tune.png
"""


@verb_parser("fine-tune", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("configs", nargs="+", type=Path, help="YAML files that train on the target")
    about = "run folders, .pt files, or YAML files to train first, with the same seeds"
    add("--from", nargs="+", required=True, dest="sources", metavar="SOURCE", help=about)
    about = "of the target's training set, above 0 to 1 (default: 0.1 0.2 0.3 1)"
    add("--shares", nargs="+", type=parse_share, default=SHARES, metavar="SHARE", help=about)
    about = "train each share without a source as well, from model.weights (default: yes)"
    add("--baseline", action=argparse.BooleanOptionalAction, default=True, help=about)
    about = "train a share for that share of optim.iterations instead of for all of them"
    add("--same-epochs", action="store_true", help=about)
    add_study_arguments(parser, "sets to score on besides the target's data.val")


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    changes = study_changes(arguments)
    require_runs(text for text in arguments.sources if not names_config(text))
    root, output = datasets_root(arguments.datasets), arguments.output
    results = arguments.results or output

    from segibn.runs.sets import parse_labelled_sets
    from segibn.runs.study import load_configs

    sets = parse_labelled_sets(arguments.on)
    configs = list(load_configs(arguments.configs, *changes))

    from segibn.runs import fine_tune as runs  # torch only after the configs are known to be right
    from segibn.runs.fine_tune_plan import open_sources, plan_trainings

    sources = open_sources(arguments.sources, changes, root, output)
    trainings = plan_trainings(
        configs,
        sources,
        shares=sorted(set(arguments.shares)),
        baseline=arguments.baseline,
        same_epochs=arguments.same_epochs,
        datasets_root=root,
    )
    sets = runs.target_sets(configs[0], sets, root)
    runs.train_all(trainings, root, output)
    runs.score_trainings(trainings, runs.Scoring(sets, root), output, results)
    if is_first_rank():
        print((results / runs.MARKDOWN_FILE).read_text(encoding="utf-8"))
        print(f"files: {results}, with the chart {runs.PICTURE_FILE}")
        print_then(f"look at {results / runs.PICTURE_FILE}")
    return 0


def parse_share(text: str) -> float:
    """Read a share such as ``0.1``, above 0 and up to 1."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}': write a share above 0 and up to 1, as 0.1")
    return share
