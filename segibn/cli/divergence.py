"""``divergence``: how far apart two domains lie in the features of trained networks."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import add_datasets_argument, datasets_root, require_runs
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import is_first_rank, print_then, verb_parser
from segibn.errors import ConfigError

EXAMPLE = """\
examples:
  segibn divergence runs/none runs/a runs/b --domains gta5:val cityscapes:val \\
      --output out
  torchrun --nproc_per_node=4 -m segibn divergence runs/a --domains \\
      day=bdd100k_drivable:val@day.txt night=bdd100k_drivable:val@night.txt --output out

writes feature_divergence.json (a row for each run; conditions; names of all frames),
feature_divergence.md and feature_divergence.png. Seeds of one network become mean and spread.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "divergence",
        "Feature divergence between two domains after every block (IBN-Net, figures 2 and 5).",
        EXAMPLE,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--domains",
        nargs=2,
        required=True,
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="the two domains; labels of pixels are not needed",
    )
    add_datasets_argument(parser)
    parser.add_argument(
        "--frames", type=int, default=500, metavar="N", help="of each domain, at most (500)"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    add_inference_arguments(parser, views=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)

    from segibn.runs.sets import parse_labelled_set

    pair = [parse_labelled_set(text) for text in arguments.domains]
    if arguments.frames < 2:
        raise ConfigError("--frames: a domain needs at least two frames to have a variance")
    (first, one), (second, other) = pair
    if first == second and one != other:
        raise ConfigError(f"--domains: both are called {first}; write another LABEL=")
    require_runs(arguments.runs)
    root, output = datasets_root(arguments.datasets), arguments.output

    from segibn.runs.divergence import PLOT_FILE, measure_divergence

    table = measure_divergence(
        arguments.runs,
        pair,
        root,
        output,
        most_frames=arguments.frames,
        inference=inference_config(arguments),
        device=arguments.device,
    )
    if not is_first_rank():
        return 0
    print(table)
    if output:
        print(f"files: {output}")
        print_then(f"look at {output / PLOT_FILE}")
    return 0
