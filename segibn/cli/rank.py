"""``rank``: which frames of a folder to label next."""

import sys
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import parse_positive
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.config.shipped import DEFAULT_MODEL

EXAMPLE = """\
examples:
  segibn rank my_frames --count 50 --output round1
  segibn rank my_frames --model runs/own --labelled round1/rank.txt --by both --output round2

rules: entropy and margin, the frames that the network is least sure of; diverse, frames as unlike
each other as can be, by features of the backbone; both, diverse ones among the least sure.
Written are rank.txt (a name on each line), rank.json and rank.html, a page of the frames. Frames
that cannot be read are left out and said; the exit code is 1 then.
"""


@verb_parser("rank", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="of unlabelled frames, its subfolders too")
    add("--model", default=DEFAULT_MODEL, metavar="RUN_OR_FILE", help="network that ranks (%(default)s)")
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the list and the page")
    add("--count", type=parse_positive, default=50, metavar="N", help="frames to choose (%(default)s)")
    add("--by", choices=("entropy", "margin", "diverse", "both"), default="both", help="rule (%(default)s)")
    add("--labelled", type=Path, metavar="FILE", help="names that are labelled already, left out")
    add_inference_arguments(parser, views=False)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    inference = inference_config(arguments)

    from segibn.runs.loading import device_of, load_checkpoint
    from segibn.runs.rank import rank_folder
    from segibn.text.progress import FrameProgress

    run = load_checkpoint(arguments.model).asked(inference, device_of(arguments.device))
    how = arguments.count, arguments.by, arguments.labelled
    with FrameProgress("rank") as progress:
        names, unread = rank_folder(run, arguments.folder, arguments.output, *how, progress)
    for text in unread:
        print(f"left out: {text}", file=sys.stderr)
    print(f"{len(names)} frames to label, the first {names[0]}: {arguments.output / 'rank.txt'}")
    print_then(f"look at {arguments.output / 'rank.html'}")
    return 1 if unread else 0
