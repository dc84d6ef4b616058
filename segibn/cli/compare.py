"""``compare``: scores files of runs on the same frames -> what differs, and how surely."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.parser import VerbParser, print_next, verb_parser
from segibn.evaluation.resampling import Resampling
from segibn.evaluation.run_comparison import format_comparison

EXAMPLE = """\
example:
  segibn evaluate runs/none --dataset camvid --output none.json
  segibn evaluate runs/ibn --dataset camvid --output ibn.json
  segibn compare none.json ibn.json --output compared.json --plot compared.png

The first file is the reference of all others. Needs no torch.
"""


@verb_parser("compare", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    how = Resampling()
    add = parser.add_argument
    add("reference", type=Path, metavar="A.json", help="of segibn evaluate or score")
    add("others", type=Path, nargs="+", metavar="B.json")
    add("--level", type=float, default=how.level, help=f"of the intervals ({how.level})")
    add("--resamples", type=int, default=how.resamples, metavar="N", help=f"({how.resamples})")
    add("--seed", type=int, default=how.seed, help=f"of the draws ({how.seed})")
    add("--common-frames", action="store_true", help="compare the frames that both have")
    add("--any-conditions", action="store_true", help="also where the signatures differ; every output says so")
    add("--output", type=Path, metavar="FILE.json", help="write the numbers to it")
    add("--plot", type=Path, metavar="FILE.png", help="draw them")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from segibn.runs.compare import compare_files, plot_comparisons

    how = Resampling(arguments.level, arguments.resamples, arguments.seed)
    allowed = {"common_frames": arguments.common_frames, "any_conditions": arguments.any_conditions}
    found = compare_files([arguments.reference, *arguments.others], how, arguments.output, **allowed)
    print("\n\n".join(map(format_comparison, found)))
    if arguments.plot:
        plot_comparisons(arguments.plot, found)
        print(f"plot: {arguments.plot}")
    print_next("report", arguments.output or arguments.reference)
    return 0
