"""``appearance``: trained networks on one labelled set under changes of its appearance."""

from collections.abc import Sequence

from segibn.cli.arguments import SET, datasets_root, require_runs
from segibn.cli.inference import add_comparison_arguments, inference_config
from segibn.cli.parser import VerbParser, print_results, verb_parser

EXAMPLE = """\
examples:
  segibn appearance runs/none runs/a runs/b --on cityscapes:val --output out
  segibn appearance runs/a --transforms RGB+50 fog night --level 5 --output out

As table 1 of IBN-Net.
changes: RGB+50, R+50, contrast-x1.5 (the paper's, on the network's input, nothing clipped); fog,
night, rain, motion-blur, noise, jpeg (on the frame's pixels, the same for each frame's name).
writes appearance.json (a list of rows, scores as fractions), appearance.md, appearance.png (drops),
appearance.jpg (one frame under every change) and conditions.json
"""


@verb_parser("appearance", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("--on", metavar=SET, help="labelled set (default: the data.val of the first run)")
    about = "changes of appearance (default: all)"
    add("--transforms", nargs="+", default=(), metavar="NAME", help=about)
    about = "strength of weather, blur, noise and compression: 1 light, 5 heavy (default: 3)"
    add("--level", type=int, choices=(1, 2, 3, 4, 5), help=about)
    add("--seed", type=int, help="of drops, noise and angles (default: 0)")
    add_comparison_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)

    from segibn.runs.sets import parse_labelled_set

    on = None if arguments.on is None else parse_labelled_set(arguments.on)
    inference = inference_config(arguments, alone=True)
    root = datasets_root(arguments.datasets)

    from segibn.runs.appearance import PLOT_FILE, score_appearance

    how = {key: getattr(arguments, key) for key in ("transforms", "level", "seed", "device")}
    table = score_appearance(arguments.runs, on, root, arguments.output, inference=inference, **how)
    print_results(table, arguments.output, PLOT_FILE)
    return 0
