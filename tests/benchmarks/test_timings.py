"""Rows of a benchmark become a table, and the benchmarks' own document shows the committed ones."""

import json
from pathlib import Path

from benchmarks.results_table import fill_tables

ROW = {
    "subject": "ours",
    "against": "theirs",
    "ratio": 0.25,
    "ratio_quartiles": [0.2, 0.3],
    "seconds": 0.001,
    "against_seconds": 0.004,
    "pairs": 40,
    "device": "a machine, 1 thread",
    "conditions": "frame 4x8; cpu clock",
}


def test_rows_become_a_table_with_its_conditions(tmp_path: Path) -> None:
    (tmp_path / "speed.json").write_text(json.dumps([ROW]))
    filled = fill_tables("<!-- results:speed -->\n<!-- /results -->\n", tmp_path)
    assert "| ours | theirs | 0.250 | 0.200-0.300 | 1.00 | 4.00 |" in filled
    assert "40 pairs on a machine, 1 thread; frame 4x8; cpu clock." in filled


def test_the_benchmarks_document_shows_the_numbers_of_results(repository: Path) -> None:
    text = (repository / "benchmarks/README.md").read_text(encoding="utf-8")
    assert "<!-- results:benchmarks/data_pipeline -->" in text
    assert fill_tables(text, repository / "results") == text
