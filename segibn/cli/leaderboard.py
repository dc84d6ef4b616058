"""``leaderboard``: a folder of result files -> one page, a table for each way of measuring."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.errors import SegibnError

EXAMPLE = """\
examples:
  segibn leaderboard results --output leaderboard.html
  segibn leaderboard results --add theirs/cross_domain.json --as their_network

Reads every cross_domain.json and scores file below the folder, and nothing else. Networks stand in
one table where protocol and signature agree; published rows stand in that of their protocol, marked.
--add holds what somebody sends against itself first: mIoU has to follow from the confusion, the
signature has to count its frames and classes, and conditions.json has to name as many frames.
"""


@verb_parser("leaderboard", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="of result files, with its subfolders")
    add("--output", type=Path, default=Path("leaderboard.html"), metavar="FILE", help="page to write (%(default)s)")
    add("--title", default="Results", help="of the page (%(default)s)")
    about = "check this file of rows or scores and put it, with its conditions, into FOLDER/NAME"
    add("--add", type=Path, metavar="FILE.json", help=about)
    add("--as", dest="name", metavar="NAME", help="folder for it (default: that of the file)")
    parser.needs("--as", "--add")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    folder, output = arguments.folder, arguments.output

    from segibn.files.writing import write_text
    from segibn.report.leaderboard import build_leaderboard, take_in

    if arguments.add is not None:
        count = take_in(arguments.add, folder, arguments.name or arguments.add.resolve().parent.name)
        print(f"{arguments.add}: {count} rows agree with what they rest on")
    if not folder.is_dir():
        raise SegibnError(f"{folder}: there is no such folder")
    write_text(output, build_leaderboard(folder, arguments.title, output.resolve().parent))
    print(f"page: {output}")
    print_then(f"open {output} in a browser")
    return 0
