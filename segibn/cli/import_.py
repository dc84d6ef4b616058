"""``import``: annotations of another tool become label maps, with a config to train on them."""

from collections.abc import Sequence
from pathlib import Path

from segibn.annotations.formats import FORMATS
from segibn.cli.arguments import parse_positive
from segibn.cli.parser import VerbParser, print_next, verb_parser
from segibn.provenance import usable_cores
from segibn.text import counted, listed

EXAMPLE = f"""\
examples:
  segibn import labelme my_frames --output own
  segibn import coco instances.json --images frames --output own
  segibn import cvat annotations.xml --images frames --classes road,car --output own
  segibn import yolo roboflow_export --unlabelled ignored --output own
  segibn import labelme fixes --over predictions --classes road,car,sky --output own

formats:
{chr(10).join(f"  {name:<12} {one.title}" for name, one in FORMATS.items())}

Written are own/images (links to the frames), own/labels (PNGs of label ids) and own/own.yaml, which
trains on them. Where objects overlap the later one lies on top; CVAT's lie by z_order; crowds of
COCO are ignored. With --over pixels of no object keep what the label map there says. Frames are never
changed; nothing is written if one file is damaged.
"""


@verb_parser("import", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("format", metavar="FORMAT", choices=list(FORMATS), help=", ".join(FORMATS))
    add("source", type=Path, metavar="SOURCE", help="folder or file of annotations")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to write, not there yet or empty")
    add("--images", type=Path, metavar="FOLDER", help="where the frames are (default: beside the annotations)")
    add("--classes", metavar="A,B,...", help="classes to keep, in this order (default: all)")
    about = "what pixels of no object are: a class of their own, or ignored in training and scores (background)"
    add("--unlabelled", choices=("background", "ignored"), help=about)
    about = "draw on these label maps, or what predict wrote; --classes names their values 0, 1, ..."
    add("--over", type=Path, metavar="DIR", help=about)
    add("--jobs", type=parse_positive, metavar="N", help="processes (all cores)")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    from segibn.runs.import_labels import import_annotations
    from segibn.text.progress import FrameProgress

    classes = [name.strip() for name in (arguments.classes or "").split(",") if name.strip()]
    with FrameProgress("import") as progress:
        found = import_annotations(
            arguments.format,
            arguments.source,
            arguments.output,
            images=arguments.images,
            classes=classes,
            unlabelled=arguments.unlabelled,
            over=arguments.over,
            jobs=arguments.jobs or usable_cores(),
            progress=progress,
        )
    names = [row["name"] for row in found.rows if row["train_id"] != 255]
    print(f"{counted(found.frames, 'frame')}, {counted(len(names), 'class', 'classes')}: {listed(names, most=12)}")
    for note in found.notes:
        print(f"note: {note}")
    print(f"config: {found.config}")
    print_next("check", found.config, "--datasets", arguments.output, "--page", arguments.output / "check.html")
    return 0
