"""``divergence``: how far apart two domains lie in the features of trained networks."""

from collections.abc import Sequence

from segibn.cli.arguments import SET, datasets_root, require_runs
from segibn.cli.inference import add_comparison_arguments, inference_config
from segibn.cli.parser import VerbParser, print_results, verb_parser
from segibn.errors import ConfigError

EXAMPLE = """\
examples:
  segibn divergence runs/none runs/a runs/b --domains gta5:val cityscapes:val \\
      --output out
  torchrun --nproc_per_node=4 -m segibn divergence runs/a --domains \\
      day=bdd100k_drivable:val@day.txt night=bdd100k_drivable:val@night.txt --output out

As figures 2 and 5 of IBN-Net.
writes feature_divergence.json (a row for each run; conditions; names of all frames),
feature_divergence.md and feature_divergence.png. Seeds of one network become mean and spread.
"""


@verb_parser("divergence", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("--domains", nargs=2, required=True, metavar=SET, help="the two domains; labels of pixels are not needed")
    add("--frames", type=int, default=500, metavar="N", help="of each domain, at most (500)")
    add_comparison_arguments(parser, views=False)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from segibn.runs.sets import parse_labelled_set

    pair = (first, one), (second, other) = [parse_labelled_set(text) for text in arguments.domains]
    if arguments.frames < 2:
        raise ConfigError("--frames: a domain needs at least two frames to have a variance")
    if first == second and one != other:
        raise ConfigError(f"--domains: both are called {first}; write another LABEL=")
    require_runs(arguments.runs)
    root, output = datasets_root(arguments.datasets), arguments.output

    from segibn.runs.divergence import PLOT_FILE, measure_divergence

    how = {"most_frames": arguments.frames, "inference": inference_config(arguments), "device": arguments.device}
    table = measure_divergence(arguments.runs, pair, root, output, **how)
    print_results(table, output, PLOT_FILE)
    return 0
