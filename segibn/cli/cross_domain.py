"""``cross-domain``: several trained networks x several labelled sets -> the paper's table."""

from collections.abc import Sequence

from segibn.cli.arguments import SET, add_outside_arguments, datasets_root, outside_said, require_runs
from segibn.cli.inference import add_comparison_arguments, inference_config
from segibn.cli.parser import VerbParser, is_first_rank, print_next, print_results, verb_parser
from segibn.evaluation.cross_domain import format_cross_domain
from segibn.evaluation.protocols import PROTOCOLS, describe_protocols

EXAMPLE = """\
examples:
  segibn cross-domain runs/none runs/a runs/b --on gta5:val cityscapes:val --output out
  segibn cross-domain runs/gta5_robustnet_seed0 runs/gta5_robustnet_seed1 \\
      --protocol robustnet --on cityscapes:val bdd100k_semseg:val --output out
  segibn cross-domain runs/day --on night=bdd100k_drivable:val@night.txt \\
      --output out --picture

writes cross_domain.json (a list of rows, scores as fractions), cross_domain.md, conditions.json
(command, versions, frame names) and, with --picture, comparison.jpg
"""


@verb_parser("cross-domain", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("--on", nargs="+", metavar=SET, help="sets to score on; LABEL names the column (all of --protocol)")
    about = "score as this one says: test sets (all of them unless --on names some), input size, "
    about += "label maps, checkpoint; what deviates is printed and signed"
    add("--protocol", choices=tuple(PROTOCOLS), help=about)
    add("--list-protocols", action="version", version=describe_protocols(), help="print all of them and exit")
    about = "also score a checkpoint that was chosen on a test set; its score is marked"
    add("--allow-target-selection", action="store_true", help=about)
    add("--picture", action="store_true", help="draw frames of each set as well")
    parser.needs("--picture", "--output")
    add_comparison_arguments(parser)
    add_outside_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)

    from segibn.runs.sets import protocol_sets

    said = outside_said(arguments, arguments.runs)
    inference = inference_config(arguments, alone=True)
    sets = protocol_sets(arguments.protocol, arguments.on)
    root, output, protocol = datasets_root(arguments.datasets), arguments.output, arguments.protocol

    from segibn.runs import cross_domain as work
    from segibn.runs.loading import load_any

    note = PROTOCOLS[protocol].note if protocol else ""
    scoring = work.Scoring(sets, root, inference, arguments.device, protocol, arguments.allow_target_selection)
    runs = [load_any(run, said) for run in arguments.runs]
    rows = work.cross_domain(runs, scoring, output, published_note=note)
    if not is_first_rank():
        return 0
    if output is None:
        print(format_cross_domain(rows, published_note=note))
        return 0
    if arguments.picture:
        work.draw_comparison(runs, scoring, output / work.PICTURE_FILE)
    print_results((output / work.MARKDOWN_FILE).read_text(encoding="utf-8"), output)
    print_next("report", output)
    return 0
