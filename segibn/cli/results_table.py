"""``results_table``: renders the result tables of a Markdown file from ``results/``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.parser import verb_parser

EXAMPLE = """\
examples:
  segibn results-table README.md
  segibn results-table docs/results.md --results results --check

exit codes: 0 up to date, or written; 1 --check found a table that differs
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "results-table",
        "Render the tables between <!-- results:NAME --> and <!-- /results --> from "
        "results/NAME/cross_domain.json or fine_tune.json.",
        EXAMPLE,
    )
    parser.add_argument("file", type=Path, help="Markdown file, such as README.md")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="default: results/ beside the file"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a table is out of date"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; 1 = ``--check`` found a table that differs."""
    arguments = build_parser().parse_args(argv)

    from segibn.files import write_text
    from segibn.report.tables import fill_tables

    old = arguments.file.read_text(encoding="utf-8")
    new = fill_tables(old, arguments.results or arguments.file.parent / "results", arguments.file)
    if new == old:
        print(f"{arguments.file}: tables are up to date")
        return 0
    if arguments.check:
        print(f"{arguments.file}: tables differ from results/; run segibn results-table on it")
        return 1
    write_text(arguments.file, new)
    print(f"{arguments.file}: tables written")
    return 0
