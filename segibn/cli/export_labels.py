"""``export-labels``: predictions as polygons, to be corrected in an annotation tool."""

from collections.abc import Sequence
from pathlib import Path

from segibn.annotations.formats import WRITTEN
from segibn.cli.arguments import parse_positive
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.provenance import usable_cores
from segibn.text import counted

EXAMPLE = """\
examples:
  segibn export-labels predictions --format labelme --output my_frames     (beside the frames)
  segibn export-labels predictions --format cvat --images my_frames --output for_cvat
  segibn export-labels predictions --format coco --tolerance 2 --output for_coco

An outline is off by at most --tolerance pixels. Larger regions come first, smaller ones lie on top
of them, as in the tools. segibn import reads what you corrected.
"""


@verb_parser("export-labels", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("predictions", type=Path, metavar="PREDICTIONS", help="folder that segibn predict wrote")
    add("--format", choices=WRITTEN, required=True, help="of the annotation tool")
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the files")
    add("--images", type=Path, metavar="FOLDER", help="the frames, for their file names (default: NAME.jpg)")
    add("--tolerance", type=float, default=1.0, metavar="PIXELS", help="that an outline may be off (%(default)s)")
    about = "regions of fewer pixels are left to what is around them (%(default)s)"
    add("--smallest", type=parse_positive, default=64, metavar="PIXELS", help=about)
    add("--jobs", type=parse_positive, metavar="N", help="processes (all cores)")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from segibn.runs.export_labels import export_labels
    from segibn.text.progress import FrameProgress

    with FrameProgress("export-labels") as progress:
        paths, regions = export_labels(
            arguments.predictions,
            arguments.format,
            arguments.output,
            images=arguments.images,
            tolerance=arguments.tolerance,
            smallest=arguments.smallest,
            jobs=arguments.jobs or usable_cores(),
            progress=progress,
        )
    print(f"{counted(regions, 'region')} in {counted(len(paths), 'file')} below {arguments.output}")
    print_then("correct them in the tool, then segibn import them")
    return 0
