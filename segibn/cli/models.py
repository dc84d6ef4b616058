"""``models``: the networks that are here: shipped, trained, and published backbones."""

from collections.abc import Sequence

from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.config.shipped import DEFAULT_MODEL
from segibn.text import printable

EXAMPLE = f"""\
examples:
  segibn models
  segibn models --published       (ImageNet backbones for model.weights, too)
  segibn predict my_frames --model {DEFAULT_MODEL}

Scores are mIoU in %. A shipped network's card says on which frames, and how many.
"""


@verb_parser("models", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    about = "list the ImageNet backbones that can be downloaded too"
    parser.add_argument("--published", action="store_true", help=about)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from segibn.runs import models

    groups = {"shipped": models.shipped(), "trained here": models.trained()}
    groups |= {"published backbones": models.published()} if arguments.published else {}
    for title, rows in groups.items():
        lines = [[printable(cell) for cell in row] for row in rows]
        print(f"{title}:" if lines else f"{title}: none")
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            print(f"  {'  '.join(cells).rstrip()}")
    print_then("segibn predict FRAMES --model NAME (images, videos or folders of yours)")
    return 0
