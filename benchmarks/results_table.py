#!/usr/bin/env python
"""Result tables of a Markdown file, rendered from ``results/``.

What stands between ``<!-- results:NAME -->`` and ``<!-- /results -->`` is written from the files of
results/NAME. Exit codes: 0 up to date, or written; 1 ``--check`` found a table that differs.

    python benchmarks/results_table.py README.md
    python benchmarks/results_table.py docs/results.md --results results --check
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from segibn.cli import run_main
from segibn.files import write_text
from segibn.report.tables import fill_tables


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the tables; 1 = ``--check`` found one that differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="Markdown file, such as README.md")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="default: results/ beside the file"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a table is out of date"
    )
    arguments = parser.parse_args(argv)

    old = arguments.file.read_text(encoding="utf-8")
    new = fill_tables(old, arguments.results or arguments.file.parent / "results", arguments.file)
    if new == old:
        print(f"{arguments.file}: tables are up to date")
        return 0
    if arguments.check:
        print(f"{arguments.file}: tables differ from results/; run this on it without --check")
        return 1
    write_text(arguments.file, new)
    print(f"{arguments.file}: tables written")
    return 0


if __name__ == "__main__":
    run_main(main)
