"""``appearance``: trained networks on one labelled set under changes of its appearance."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import add_datasets_argument, datasets_root, require_runs
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import is_first_rank, print_then, verb_parser

EXAMPLE = """\
examples:
  segibn appearance runs/none runs/a runs/b --on cityscapes:val --output out
  segibn appearance runs/a --transforms RGB+50 fog night --level 5 --output out

changes: RGB+50, R+50, contrast-x1.5 (the paper's, on the network's input, nothing clipped); fog,
night, rain, motion-blur, noise, jpeg (on the frame's pixels, the same for each frame's name).
writes appearance.json (a list of rows, scores as fractions), appearance.md, appearance.png (drops),
appearance.jpg (one frame under every change) and conditions.json
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "appearance", "Score networks on frames of another appearance (IBN-Net, table 1).", EXAMPLE
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--on",
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="labelled set (default: the data.val of the first run)",
    )
    add_datasets_argument(parser)
    parser.add_argument(
        "--transforms", nargs="+", metavar="NAME", help="changes of appearance (default: all)"
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=(1, 2, 3, 4, 5),
        help="strength of weather, blur, noise and compression: 1 light, 5 heavy (default: 3)",
    )
    parser.add_argument("--seed", type=int, help="of drops, noise and angles (default: 0)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    add_inference_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)

    from segibn.runs.sets import parse_labelled_set

    on = None if arguments.on is None else parse_labelled_set(arguments.on)
    inference = inference_config(arguments, alone=True)
    root = datasets_root(arguments.datasets)

    from segibn.runs.appearance import PLOT_FILE, score_appearance

    table = score_appearance(
        arguments.runs,
        on,
        root,
        arguments.output,
        transforms=arguments.transforms or (),
        level=arguments.level,
        seed=arguments.seed,
        inference=inference,
        device=arguments.device,
    )
    if not is_first_rank():
        return 0
    print(table)
    if arguments.output:
        print(f"files: {arguments.output}")
        print_then(f"look at {arguments.output / PLOT_FILE}")
    return 0
