"""``init``: look at a user's own folder, write a config for it and a page to look at."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import parse_positive
from segibn.cli.parser import VerbParser, print_next, verb_parser
from segibn.errors import DatasetError
from segibn.provenance import usable_cores
from segibn.text import counted, listed, printable

EXAMPLE = """\
examples:
  segibn init my_frames my_masks --output own
  segibn init my_set --output own            (with images/ and labels/, or a.jpg beside a_mask.png)
  segibn init frames instances.json --output own

It tells label maps of values or colours (masks) and the annotations that segibn import knows, which it
imports. Written are own/own.yaml, a config that trains from street-lite's weights, and own/check.html:
frames under their labels, shares of classes, sizes, odd ones. Without train and val folders whole
sequences are held out. Your files stay as they are.
"""


@verb_parser("init", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("images", type=Path, metavar="IMAGES", help="folder of frames, or one that holds labels too")
    add("labels", type=Path, nargs="?", metavar="LABELS", help="folder or file of labels (default: found in IMAGES)")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to write, not there yet or empty")
    add("--jobs", type=parse_positive, metavar="N", help="processes (all cores)")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    images, labels, output = arguments.images, arguments.labels, arguments.output
    for path in (images, labels):
        if path is not None and not path.exists():
            raise DatasetError(f"{printable(path)}: no such folder")
    jobs = arguments.jobs or usable_cores()

    from segibn.annotations.formats import FORMATS, detect
    from segibn.files.writing import write_text
    from segibn.runs.check import check_sets, sets_of_config
    from segibn.runs.import_labels import import_annotations
    from segibn.runs.own_folder import describe_folder, label_folder
    from segibn.text.progress import FrameProgress

    with FrameProgress("init") as progress:
        if (found := detect(labels or images)) is not None:
            kind, source = found
            print(f"labels: {FORMATS[kind].title}")
            done = import_annotations(kind, source, output, images=images, jobs=jobs, progress=progress)
            root, classes = output, [row["name"] for row in done.rows if row["train_id"] != 255]
            for note in done.notes:
                print(f"note: {note}")
        else:
            if output.exists() and (not output.is_dir() or any(output.iterdir())):
                raise DatasetError(f"{printable(output)}: is there already; name a new folder")
            images, labels = (images, labels) if labels else label_folder(images)
            described = describe_folder(images, labels, printable(output.name), jobs, progress)
            print(f"labels: PNGs of {described.kind}")
            write_text(output / f"{output.name}.yaml", described.config)
            root, classes = described.root, described.classes
    config, page = output / f"{output.name}.yaml", output / "check.html"
    print(f"{counted(len(classes), 'class', 'classes')}: {listed(classes, most=12)}")
    print(f"config: {config}")
    is_good = check_sets(sets_of_config(str(config), None, root), root, jobs, page=page)
    print_next("train" if is_good else "check", config, "--datasets", root)
    return 0 if is_good else 1
