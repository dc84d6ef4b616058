"""``fine_tune``: trained networks go on with shares of a target, beside networks without them.

The experiment of IBN-Net's section 4.2 (arXiv 1807.09441), where networks trained on GTA5 go on
with 10, 20, 30 and 100 % of Cityscapes.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import (
    add_study_arguments,
    datasets_root,
    parse_labelled_sets,
    refuse_set,
    require_runs,
)
from segibn.cli.parser import print_then, verb_parser
from segibn.config.shipped import names_config
from segibn.errors import ConfigError
from segibn.text.streams import outliving_readers

if TYPE_CHECKING:
    from segibn.config.data import DatasetConfig
    from segibn.config.schema import RunConfig

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

--set also acts on sources that are trained first. A finished run is not trained again and a
broken-off one goes on, so that the command may be repeated.

writes fine_tune.json (a list of rows, scores as fractions), conditions.json, fine_tune.md and
fine_tune.png
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "fine-tune",
        "Fine-tune networks on shares of a target's training set and score them.",
        EXAMPLE,
    )
    parser.add_argument("configs", nargs="+", type=Path, help="YAML files that train on the target")
    parser.add_argument(
        "--from",
        nargs="+",
        required=True,
        dest="sources",
        metavar="SOURCE",
        help="run folders, .pt files, or YAML files to train first, with the same seeds",
    )
    parser.add_argument(
        "--shares",
        nargs="+",
        type=parse_share,
        default=SHARES,
        metavar="SHARE",
        help="of the target's training set, above 0 to 1 (default: 0.1 0.2 0.3 1)",
    )
    parser.add_argument(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train each share without a source as well, from model.weights (default: yes)",
    )
    parser.add_argument(
        "--on",
        nargs="+",
        default=[],
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="sets to score on besides the target's data.val",
    )
    parser.add_argument(
        "--same-epochs",
        action="store_true",
        help="train a share for that share of optim.iterations instead of for all of them",
    )
    add_study_arguments(parser)
    return parser


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)
    refuse_set(arguments.set, "seed", "--seeds")
    require_runs(text for text in arguments.sources if not names_config(text))

    from segibn.cli.fine_tune_plan import open_sources, plan_trainings
    from segibn.cli.fine_tune_report import MARKDOWN_FILE, PICTURE_FILE, write_fine_tune
    from segibn.cli.fine_tune_runs import check_sets, score_trainings, train_all
    from segibn.runs.study import load_configs

    sets = parse_labelled_sets(arguments.on)
    seeds = list(dict.fromkeys(arguments.seeds))
    configs = list(load_configs(arguments.configs, arguments.set, seeds, arguments.ibn))
    sets = _with_target(configs[0], sets)
    root, output = datasets_root(arguments.datasets), arguments.output
    sources = open_sources(
        arguments.sources, seeds=seeds, overrides=arguments.set, datasets_root=root, output=output
    )
    trainings = plan_trainings(
        configs,
        sources,
        shares=sorted(set(arguments.shares)),
        baseline=arguments.baseline,
        same_epochs=arguments.same_epochs,
        datasets_root=root,
    )
    check_sets(configs[0], sets, root)
    train_all(trainings, root, output)
    rows, conditions = score_trainings(trainings, sets, root, output)

    from segibn import distributed

    if distributed.is_main():
        results = arguments.results or output
        write_fine_tune(results, rows, conditions)
        print((results / MARKDOWN_FILE).read_text(encoding="utf-8"))
        print(f"files: {results}, with the chart {PICTURE_FILE}")
        print_then(f"look at {results / PICTURE_FILE}")
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


def _with_target(
    config: "RunConfig", sets: "Mapping[str, DatasetConfig]"
) -> "Mapping[str, DatasetConfig]":
    """The target's validation frames first, then what ``--on`` names."""
    from segibn.engine.scoring import set_name

    target = config.data.val
    if target is None and not sets:
        raise ConfigError(f"{config.name} has no data.val to score on; name a set with --on")
    return ({set_name(target): target} if target else {}) | dict(sets)
