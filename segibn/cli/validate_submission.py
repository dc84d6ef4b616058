"""``validate_submission``: a submission's file -> everything that is wrong with it, and a score.

Needs no torch.
"""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.errors import ConfigError
from segibn.files.writing import write_json
from segibn.submission.expected import expect_images, expect_list, expect_test_set
from segibn.submission.formats import FORMATS

EXAMPLE = """\
examples:
  segibn validate-submission wad.zip --format wad
  segibn validate-submission wad.zip --format wad --images bdd100k/images/100k/test
  segibn validate-submission val.zip --format cityscapes --ids val.txt \\
      --labels cityscapes/gtFine/val
  segibn validate-submission drivable.json --format bdd100k_drivable --json report.json

Without --ids and --images the official test set must be in it. Exit status: 0 valid, 1 faults
(all of them are listed), 2 the file cannot be read at all.
"""


@verb_parser("validate-submission", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="ZIP", help="or run-length JSON (BDD100K)")
    add("--format", choices=FORMATS, required=True)
    which = parser.add_mutually_exclusive_group().add_argument
    which("--ids", type=Path, metavar="LIST", help="frames it must hold, one name a line")
    which("--images", type=Path, metavar="DIR", help="frames it must hold, each at its own size")
    add("--labels", type=Path, metavar="DIR", help="score it against these label maps")
    about = "of drivable --labels (default: auto: by file names and the upper third of frames)"
    add("--target-encoding", choices=("auto", "2018", "2021"), help=about)
    parser.needs("--target-encoding", "--labels")
    add("--json", type=Path, metavar="FILE", help="write the report here too")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    file, form, encoding = arguments.file, FORMATS[arguments.format], arguments.target_encoding
    if encoding and not form.is_drivable:
        raise ConfigError(f"--target-encoding has no effect on {form.title}; leave it out")

    from segibn.submission.check import check_submission
    from segibn.text.progress import FrameProgress

    if arguments.ids is not None:
        expected = expect_list(form, arguments.ids)
    elif arguments.images is not None:
        expected = expect_images(form, arguments.images)
    else:
        expected = expect_test_set(form)
    scored = {"labels": arguments.labels, "target_encoding": encoding or "auto"}
    with FrameProgress("checking", expected.num_frames) as progress:
        found = check_submission(file, form, expected, **scored, progress=progress)
    print(found.format_text())
    if arguments.json is not None:
        write_json(arguments.json, found.to_dict())
    if found.is_valid:
        print_then(f"upload {file} to the server of {form.title}")
    return 0 if found.is_valid else 1
