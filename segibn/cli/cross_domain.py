"""``cross_domain``: several trained networks x several labelled sets -> the paper's table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import (
    add_datasets_argument,
    datasets_root,
    require_runs,
)
from segibn.cli.inference import add_inference_arguments
from segibn.cli.parser import print_next, verb_parser
from segibn.cli.protocol import add_protocol_arguments, protocol_sets
from segibn.evaluation.protocols import PROTOCOLS

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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("cross-domain", "Score networks on several domains.", EXAMPLE)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--on",
        nargs="+",
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="sets to score on; LABEL names the column (default: all of --protocol)",
    )
    add_protocol_arguments(parser)
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    parser.add_argument("--picture", action="store_true", help="draw frames of each set as well")
    parser.needs("--picture", "--output")
    add_inference_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)
    sets = protocol_sets(arguments.protocol, arguments.on)
    require_runs(arguments.runs)

    from segibn.cli.comparison import MARKDOWN_FILE, PICTURE_FILE, cross_domain, draw_comparison
    from segibn.evaluation.cross_domain import format_cross_domain

    root = datasets_root(arguments.datasets)
    note = PROTOCOLS[arguments.protocol].note if arguments.protocol else ""
    rows = cross_domain(
        arguments.runs, sets, root, arguments.output, published_note=note, arguments=arguments
    )

    from segibn import distributed

    if not distributed.is_main():
        return 0
    if arguments.output is None:
        print(format_cross_domain(rows, published_note=note))
        return 0
    print((arguments.output / MARKDOWN_FILE).read_text(encoding="utf-8"))
    if arguments.picture:
        path = arguments.output / PICTURE_FILE
        draw_comparison(arguments.runs, sets, root, path, arguments=arguments)
    print(f"files: {arguments.output}")
    print_next("report", arguments.output)
    return 0
