"""The table of models: measured by the benchmark, rendered into Markdown between markers."""

import importlib
from pathlib import Path

import pytest

from benchmarks.results_table import fill_tables

ROOT = Path(__file__).resolve().parents[2]


def test_the_models_benchmark_becomes_a_table_in_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    main = importlib.import_module("benchmarks.models").main
    path = tmp_path / "benchmarks" / "models.json"
    path.parent.mkdir()
    assert main(["--quick", "--repeats", "1", "--json", str(path)]) == 0
    text = "<!-- results:benchmarks/models -->\n<!-- /results -->\n"
    filled = fill_tables(text, tmp_path)
    rows = [line for line in filled.splitlines() if line.startswith("| `")]
    assert len(rows) == 6  # two networks, each plain, a and b
    assert rows[1].startswith("| `resnet18`-IBN-a | 11.2 | 0.1 |")
    assert rows[1].endswith("| 29.17 / 10.24 |")
    assert rows[2].endswith("| - |")
    assert "as published with the weights" in filled
    assert fill_tables(filled, tmp_path).count("| `resnet18` |") == 1
