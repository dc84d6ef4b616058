import importlib
import json

import pytest

from benchmarks.results_table import fill_tables
from segibn.errors import SegibnError
from segibn.evaluation.results import render_folder

ROW = {"train": "x:train", "test": "x:val", "ibn": "a", "seed": 0, "miou": 0.5}
ROW |= {"pixel_accuracy": 0.75, "network": "resnet18"}
TEXT = "before\n<!-- results:demo -->\nold\n<!-- /results -->\nafter\n"


@pytest.fixture
def results(tmp_path):
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "demo" / "cross_domain.json").write_text(json.dumps([ROW]))
    return tmp_path / "results"


def test_the_table_between_the_markers_comes_from_the_rows(results):
    filled = fill_tables(TEXT, results)
    assert "| x:train | resnet18, IBN-a | 50.0 / 75.0 |" in filled
    assert filled.startswith("before\n<!-- results:demo -->\n")
    assert filled.endswith("<!-- /results -->\nafter\n")
    assert "old" not in filled


def test_a_folder_of_stress_rows_gives_their_table(results):
    rows = [ROW | {"transform": "original", "level": None}]
    rows.append(ROW | {"transform": "fog", "level": 3, "miou": 0.25})
    (results / "demo" / "stress.json").write_text(json.dumps(rows))
    assert "| fog | 25.0 (-25.0, 50 %) |" in fill_tables(TEXT, results)


def test_a_folder_of_feature_divergence_gives_its_table(results):
    row = ROW | {"domains": ["x", "y"], "divergence": {"stem": 0.5}}
    content = {"rows": [row], "conditions": {}}
    (results / "demo" / "feature_divergence.json").write_text(json.dumps(content))
    assert "| stem | 0.500 |" in fill_tables(TEXT, results)


def test_filling_twice_changes_nothing(results):
    once = fill_tables(TEXT, results)
    assert fill_tables(once, results) == once


def test_text_without_markers_stays(results):
    assert fill_tables("# plain\n", results) == "# plain\n"


def test_conditions_lead_to_published_numbers(results):
    conditions = {"dataset_of": {"x:train": "gta5", "x:val": "cityscapes"}}
    (results / "demo" / "conditions.json").write_text(json.dumps(conditions))
    assert "28.95" not in render_folder(results / "demo")  # whose rows follow no protocol
    path = results / "demo" / "cross_domain.json"
    rows = [row | {"protocol": "robustnet", "deviations": []} for row in json.loads(path.read_text())]
    path.write_text(json.dumps(rows))
    assert "28.95" in render_folder(results / "demo")
    conditions["published_note"] = "Ours are generated."
    (results / "demo" / "conditions.json").write_text(json.dumps(conditions))
    table = render_folder(results / "demo")
    assert "28.95" not in table
    assert "Ours are generated." in table


@pytest.mark.parametrize("text", ["<!-- results:demo -->\nno end\n", "<!-- results:demo --> inline <!-- /results -->"])
def test_a_marker_without_its_end_is_an_error(results, text):
    with pytest.raises(SegibnError, match="followed by"):
        fill_tables(text, results, "README.md")


def test_a_marker_without_results_names_the_file(results):
    with pytest.raises(SegibnError, match=r"nothing/cross_domain\.json"):
        fill_tables(TEXT.replace("demo", "nothing"), results)


def test_check_fails_until_the_tables_are_written(results, tmp_path, capsys, repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository))
    main = importlib.import_module("benchmarks.results_table").main
    readme = tmp_path / "README.md"
    readme.write_text(TEXT)
    assert main([str(readme), "--check"]) == 1
    assert readme.read_text() == TEXT
    assert main([str(readme)]) == 0
    assert main([str(readme), "--check"]) == 0
    assert "50.0 / 75.0" in readme.read_text()


def test_the_readme_shows_the_numbers_of_results(repository):
    readme = repository / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert fill_tables(text, repository / "results", readme) == text
