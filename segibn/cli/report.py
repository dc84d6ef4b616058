"""``report``: runs, scores and studies -> one HTML file to open in a browser."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import add_datasets_argument, datasets_root
from segibn.cli.inference import DEVICE_HELP
from segibn.cli.parser import print_then, verb_parser
from segibn.errors import SegibnError

if TYPE_CHECKING:  # NumPy and pydantic take time to import, and --help needs neither
    from segibn.cli.report_inputs import Source
    from segibn.report.content import RunEntry

EXAMPLE = """\
examples:
  segibn report runs/gta5_ibn --datasets /data              (a run, scored where it was not yet)
  segibn report runs/demo --datasets runs/demo/data_seed0   (a study: its table and every run)
  segibn report runs/gta5_ibn scores.json --frames 12       (scores of another set beside its own)
  segibn report scores.json compared.json                   (files alone: no frames, no network)

The page is one file without links to anything outside it.
"""

_FRAMES = 6


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("report", "Write scores, curves and frames as one HTML page.", EXAMPLE)
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="RUN_OR_JSON",
        help="run (folder or name), study, or JSON of evaluate, score, cross-domain or compare",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE.html",
        help="(%(default)s)",
    )
    parser.add_argument("--title", help="of the page (default: the name of the first input)")
    parser.add_argument("--frames", type=int, metavar="N", help="worst and best frames, N each (6)")
    parser.add_argument(
        "--no-frames", action="store_true", help="show no frames; the network is left alone"
    )
    add_datasets_argument(parser)
    parser.add_argument("--device", help=DEVICE_HELP)
    parser.excludes("--no-frames", "--frames", "--datasets", "--device")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)
    if (arguments.frames or 0) < 0:
        raise SegibnError(f"--frames {arguments.frames}: give a number of frames from 0 on")

    import segibn
    from segibn import provenance
    from segibn.cli.report_entries import table_colors
    from segibn.cli.report_inputs import read_inputs
    from segibn.files import write_text
    from segibn.report.content import Report
    from segibn.report.page import build_page

    inputs = read_inputs([_found(path) for path in arguments.inputs])
    for option in ("frames", "datasets", "device"):
        if getattr(arguments, option) is not None and not any(run.folder for run in inputs.runs):
            raise SegibnError(f"--{option} has no effect: no input is the folder of a run")
    if arguments.device is not None:
        from segibn.devices import device_named

        device_named(arguments.device)  # refused here, also where no frame turns out to need it
    wanted = _FRAMES if arguments.frames is None else arguments.frames
    wanted = 0 if arguments.no_frames else wanted
    page = build_page(
        Report(
            title=arguments.title or _title_of(arguments.inputs[0]),
            command=provenance.command_line(),
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=segibn.__version__,
            runs=[_entry(source, wanted, arguments) for source in inputs.runs],
            tables=inputs.tables,
            comparisons=inputs.comparisons,
            colors=table_colors(inputs.tables),
        )
    )
    write_text(arguments.output, page)
    for note in [note for source in inputs.runs for note in (*source.notes, source.no_frames)]:
        if note:
            print(f"note: {note}")
    print(f"report: {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB)")
    print_then(f"open {arguments.output} in a browser")
    return 0


def _found(path: Path) -> Path:
    """Return a path as it is, or the run folder that a name or a checkpoint means."""
    from segibn.runs.find import find_checkpoint, run_of

    if path.is_dir() or path.suffix == ".json":
        return path
    return run_of(find_checkpoint(path)) or path


def _title_of(path: Path) -> str:
    """Name a page after its first input."""
    return path.resolve().name if path.is_dir() else path.stem


def _entry(source: "Source", wanted: int, arguments: argparse.Namespace) -> "RunEntry":
    """Add frames where they are wanted and possible; a note says why not."""
    from segibn.cli.report_entries import entry_of

    if not wanted:
        return entry_of(source)
    if source.checkpoint is None:
        source.no_frames = (
            f"{source.title}: no frames, since there is no checkpoint beside the scores. Give the "
            "run that they are of too: segibn report RUN SCORES.json --datasets DIR"
        )
        return entry_of(source)

    from segibn.cli.report_frames import add_frames  # torch, only where frames are predicted
    from segibn.runs.find import datasets_of

    try:
        root = datasets_root(arguments.datasets, datasets_of(source.folder))
        run, views = add_frames(source, root, wanted, arguments)
    except SegibnError as error:
        source.no_frames = f"{source.title}: no frames. {error}"
        return entry_of(source)
    return entry_of(source, views, run.iteration, run.palette)
