"""``calibrate``: what a network is told of its source domain alone: a temperature, or a share."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from segibn.cli.arguments import (
    SET,
    add_datasets_argument,
    add_outside_arguments,
    datasets_root,
    datasets_words,
    outside_said,
    parse_positive,
    require_runs,
)
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser, print_next, print_results, verb_parser
from segibn.errors import ConfigError
from segibn.models.catalog import Place
from segibn.runs.find import datasets_of, find_checkpoint, run_of
from segibn.runs.outside import kind_of

EXAMPLE = """\
examples:
  segibn calibrate runs/gta5_ibn --output calibrated.yaml
  segibn calibrate hf:OWNER/NAME --on cityscapes:val
  segibn calibrate runs/gta5_ibn --share --on gta5:val --frames 100 --place last

A temperature: logits are divided by one number before confidences are made of them (Guo et al.,
2017); label maps stay as they are. Fitted on the source, it is worth on another domain what
segibn evaluate RUN --recipe calibrated.yaml --calibration says.
--share: batch norms take a share of each frame's own statistics at test time, which helps where
frames look otherwise than the training's (arXiv 2208.05788). It is chosen on frames of the source
in other lights, kept in RUN/instance_share.json, and used where --instance-share calibrated is
given. No target frame is read for either.
"""


@verb_parser("calibrate", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="run folder or name, a file, or another's")
    add("--on", metavar=SET, help="labelled set of the source domain (default: the run's data.val)")
    add_datasets_argument(parser)
    add("--output", type=Path, metavar="FILE.yaml", help="inference config to write it to")
    add("--share", action="store_true", help="choose a share of each frame's statistics instead")
    add("--frames", type=parse_positive, metavar="N", help="how many frames, evenly spread (default: 50)")
    about = "points of mIoU that it may cost on the source's frames (default: 1)"
    add("--tolerance", type=float, metavar="POINTS", help=about)
    about = "only norms at this place of every block may take a share; last costs a frame least"
    add("--place", choices=get_args(Place), help=about)
    for option in ("--frames", "--tolerance", "--place"):
        parser.needs(option, "--share")
    parser.excludes("--share", "--output")
    add_inference_arguments(parser)
    add_outside_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    require_runs([arguments.run])
    if arguments.share:
        return _choose_share(arguments)
    said, inference = outside_said(arguments, [arguments.run]), inference_config(arguments)
    root = datasets_root(arguments.datasets)

    from segibn.runs.calibrate import calibrate
    from segibn.runs.sets import parse_labelled_set

    on, recipe = None if arguments.on is None else parse_labelled_set(arguments.on)[1], arguments.output
    found = calibrate(arguments.run, on, root, recipe, inference=inference, said=said, device=arguments.device)
    likelihood = f"negative log-likelihood {found.before:.4f} -> {found.after:.4f} nats over {found.pixels} pixels"
    print(f"temperature {found.value:.3f}: {likelihood}")
    words = ["--recipe", str(recipe)] if recipe else ["--temperature", f"{found.value:.4g}"]
    words += [] if on is None else ["--dataset", on.name, "--split", on.split]
    print_next("evaluate", arguments.run, *words, *datasets_words(arguments.datasets), "--calibration")
    return 0


def _choose_share(arguments: argparse.Namespace) -> int:
    points = 1.0 if arguments.tolerance is None else arguments.tolerance
    if not 0 <= points <= 100:
        raise ConfigError(f"--tolerance {points}: give points of mIoU, 0 to 100")
    if kind_of(arguments.run) is not None:
        raise ConfigError("--share is kept in a run folder; give a run of segibn")
    recorded = datasets_of(run_of(find_checkpoint(arguments.run)))
    root = datasets_root(arguments.datasets, recorded)

    from segibn.runs.calibrate_share import calibrate_share
    from segibn.runs.sets import parse_labelled_set

    on = None if arguments.on is None else parse_labelled_set(arguments.on)[1]
    how = {"frames": arguments.frames or 50, "place": arguments.place, "device": arguments.device}
    share, table = calibrate_share(arguments.run, on, root, tolerance=points / 100, **how)
    chosen = "no share: none helps within the tolerance" if share is None else str(share)
    print_results(f"{table}\nchosen: {chosen}", None)
    if share is not None:
        words = datasets_words(arguments.datasets, recorded)
        print_next("evaluate", arguments.run, *words, "--instance-share", "calibrated")
    return 0
