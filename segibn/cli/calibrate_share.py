"""``calibrate-share``: the share of a frame's own statistics, chosen on the source domain."""

from collections.abc import Sequence
from typing import get_args

from segibn.cli.arguments import (
    SET,
    add_datasets_argument,
    datasets_root,
    datasets_words,
    parse_positive,
)
from segibn.cli.inference import DEVICE_HELP
from segibn.cli.parser import VerbParser, print_next, print_results, verb_parser
from segibn.errors import ConfigError
from segibn.models.catalog import Place
from segibn.runs.find import datasets_of, find_checkpoint, run_of

EXAMPLE = """\
examples:
  segibn calibrate-share runs/gta5_ibn
  segibn calibrate-share runs/gta5_ibn --on gta5:val --frames 100 --place last

Batch norms take a share of each frame's own statistics at test time, which helps where frames look
otherwise than the training's (arXiv 2208.05788). The share is chosen on frames of the source domain
in other lights; no target frame is read. It is kept in RUN/instance_share.json, and used where
--instance-share calibrated is given.
"""


@verb_parser("calibrate-share", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="run folder or checkpoint in one")
    add("--on", metavar=SET, help="labelled set of the source domain (default: the run's data.val)")
    add_datasets_argument(parser)
    about = "how many frames, evenly spread (default: 50)"
    add("--frames", type=parse_positive, default=50, metavar="N", help=about)
    about = "points of mIoU that it may cost on the source's frames (default: 1)"
    add("--tolerance", type=float, default=1.0, metavar="POINTS", help=about)
    about = "only norms at this place of every block may take a share; last costs a frame least"
    add("--place", choices=get_args(Place), help=about)
    add("--device", help=DEVICE_HELP)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if not 0 <= arguments.tolerance <= 100:
        raise ConfigError(f"--tolerance {arguments.tolerance}: give points of mIoU, 0 to 100")
    recorded = datasets_of(run_of(find_checkpoint(arguments.run)))
    root = datasets_root(arguments.datasets, recorded)

    from segibn.runs.calibrate_share import calibrate_share
    from segibn.runs.sets import parse_labelled_set

    on = None if arguments.on is None else parse_labelled_set(arguments.on)[1]
    share, table = calibrate_share(
        arguments.run,
        on,
        root,
        frames=arguments.frames,
        tolerance=arguments.tolerance / 100,
        place=arguments.place,
        device=arguments.device,
    )
    chosen = "no share: none helps within the tolerance" if share is None else str(share)
    print_results(f"{table}\nchosen: {chosen}", None)
    if share is not None:
        words = datasets_words(arguments.datasets, recorded)
        print_next("evaluate", arguments.run, *words, "--instance-share", "calibrated")
    return 0
