#!/usr/bin/env python
"""Result tables of a Markdown file, rendered from ``results/``.

What stands between ``<!-- results:NAME -->`` and ``<!-- /results -->`` is written from the files of
results/NAME. Exit codes: 0 up to date, or written; 1 ``--check`` found a table that differs.

    python benchmarks/results_table.py README.md
    python benchmarks/results_table.py docs/results.md --results results --check
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.tables import methods, norms
from benchmarks.tables.generalisation import KIND, render_generalisation
from benchmarks.tables.measurements import render_memory, render_models, render_precision, render_timings
from segibn.cli import run_main
from segibn.errors import SegibnError
from segibn.evaluation.results import render_folder
from segibn.files.writing import read_json, write_text

_BLOCK = re.compile(
    r"(?P<open><!-- results:(?P<name>[\w./-]+) -->\n)(?P<body>.*?)(?P<close><!-- /results -->)", re.DOTALL
)
_OPEN = re.compile(r"<!-- results:[^>]*-->")


def fill_tables(text: str, results: Path, source: str | Path = "text") -> str:
    """Return Markdown with every marked table rendered anew from the folder ``results``.

    Raises:
        SegibnError: a marker of ``source`` without its end, or without its results.
    """
    if len(_OPEN.findall(text)) != len(_BLOCK.findall(text)):
        raise SegibnError(
            f"{source}: each <!-- results:NAME --> stands on a line of its own and is followed by <!-- /results -->"
        )
    return _BLOCK.sub(lambda match: match["open"] + _render(results / match["name"]) + match["close"], text)


def _render(path: Path) -> str:
    """The table of ``<path>.json``, of a folder, or of all results beside a name."""
    if (file := path.with_name(f"{path.name}.json")).is_file():
        content = read_json(file)
        if isinstance(content, list):
            return render_timings(content)
        if content.get("kind") == KIND:
            return render_generalisation(file)
        kinds = {"precision": render_precision, "memory": render_memory}
        return kinds.get(content.get("kind"), render_models)(content)
    if path.name == methods.NAME and not path.is_dir():
        return methods.render_methods(path.parent)
    if path.name == norms.NAME and not path.is_dir():
        return norms.render_norms(path.parent)
    return render_folder(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the tables; 1 = ``--check`` found one that differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="Markdown file, such as README.md")
    parser.add_argument("--results", type=Path, metavar="DIR", help="default: results/ beside the file")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a table is out of date")
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
