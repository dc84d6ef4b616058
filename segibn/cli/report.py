"""``report``: runs, scores and studies -> one HTML file to open in a browser."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from segibn.cli.arguments import add_datasets_argument, datasets_root
from segibn.cli.inference import DEVICE_HELP
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.errors import SegibnError

EXAMPLE = """\
examples:
  segibn report runs/gta5_ibn --datasets /data              (a run, scored where it was not yet)
  segibn report runs/demo --datasets runs/demo/data_seed0   (a study: its table and every run)
  segibn report runs/gta5_ibn scores.json --frames 12       (scores of another set beside its own)
  segibn report runs/gta5_ibn stressed                      (a folder of segibn stress beside it)
  segibn report scores.json compared.json                   (files alone: no frames, no network)

The page is one file without links to anything outside it.
"""


@verb_parser("report", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    about = "run (folder or name), study, stress folder, or JSON of evaluate, score, cross-domain or compare"
    add("inputs", nargs="+", type=Path, metavar="RUN_OR_JSON", help=about)
    add("--output", type=Path, default=Path("report.html"), metavar="FILE", help="(%(default)s)")
    add("--title", help="of the page (default: the name of the first input)")
    add("--frames", type=int, metavar="N", help="worst and best frames, N each (6)")
    add("--no-frames", action="store_true", help="show no frames; the network is left alone")
    add_datasets_argument(parser)
    add("--device", help=DEVICE_HELP)
    parser.excludes("--no-frames", "--frames", "--datasets", "--device")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if (arguments.frames or 0) < 0:
        raise SegibnError(f"--frames {arguments.frames}: give a number of frames from 0 on")

    from segibn.runs.report import write_report
    from segibn.runs.report_inputs import read_inputs

    report = read_inputs(arguments.inputs)
    for option in ("frames", "datasets", "device"):
        if getattr(arguments, option) is not None and not any(run.folder for run in report.runs):
            raise SegibnError(f"--{option} has no effect: no input is the folder of a run")
    if arguments.device is not None:
        from segibn.devices import device_named  # torch

        device_named(arguments.device)  # refused here, also where no frame turns out to need it
    first, frames = arguments.inputs[0], arguments.frames
    title = arguments.title or (first.resolve().name if first.is_dir() else first.stem)
    frames = 0 if arguments.no_frames else 6 if frames is None else frames
    find = partial(datasets_root, arguments.datasets)
    for note in write_report(report, arguments.output, title, frames, find, arguments.device):
        print(f"note: {note}")
    print(f"report: {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB)")
    print_then(f"open {arguments.output} in a browser")
    return 0
