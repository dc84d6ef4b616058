"""The documents keep what they promise: reading order, tables of results, citation, changelog."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.results_table import fill_tables
from segibn import __version__
from segibn.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parents[1]
WITH_TABLES = {
    "README.md": "camera_to_camera",
    "benchmarks/README.md": "benchmarks/metrics",
    "docs/export.md": "benchmarks/export_scores",
    "docs/generalisation.md": "generalisation/sample",
    "docs/inference.md": "whole_or_sliding",
    "docs/networks.md": "benchmarks/models",
    "docs/predicting.md": "benchmarks/predict_files",
    "docs/results.md": "demo_seed0",
    "docs/tutorials/wad_submission.md": "drivable_lite_views",
}
"""Document -> one of its tables."""


def test_every_tool_enters_a_verb() -> None:
    for tool in (ROOT / "tools").glob("*.py"):
        (verb,) = re.findall(r"from segibn\.cli\.(\w+) import main", tool.read_text())
        assert verb.replace("_", "-") in VERBS


def test_readme_leads_from_the_command_to_the_network_in_five_files() -> None:
    section = (ROOT / "README.md").read_text().partition("## Read the code in this order")[2]
    files = re.findall(r"\]\((segibn/[\w/]+\.py)\)", section.partition("\n## ")[0])
    assert (len(files), files[0], files[-1]) == (5, "segibn/cli/train.py", "segibn/models/segmenter.py")
    read = ""
    for file in files:  # each is imported by one that comes before it
        module = file.removesuffix(".py").replace("/", ".")
        assert not read or f"from {module} import" in read, file
        read += (ROOT / file).read_text()


def test_no_module_is_named_after_nothing_and_files_stay_short() -> None:
    for path in (ROOT / "segibn").rglob("*.py"):
        assert path.stem not in {"utils", "helpers", "common", "misc"}
        table_or_schema = path.name in {"schema.py"}
        assert table_or_schema or len(path.read_text().splitlines()) <= 300, path


@pytest.mark.parametrize(("document", "table"), WITH_TABLES.items())
def test_tables_are_those_of_the_results(document: str, table: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert f"<!-- results:{table} -->" in text
    assert fill_tables(text, ROOT / "results", document) == text


def test_no_document_with_tables_is_left_out() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
    filled = {
        path.relative_to(ROOT).as_posix()
        for path in documents
        if re.search(r"^<!-- results:", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert filled == WITH_TABLES.keys()


def test_every_experiment_is_shown_or_named_somewhere() -> None:
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "results/README.md"]
    )
    for folder in (ROOT / "results").iterdir():
        if folder.is_dir():
            assert folder.name in text


def test_the_citation_has_what_its_format_needs() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["type"] == "software"
    assert citation["version"] == __version__
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert [author["family-names"] for author in paper["authors"]] == ["Pan", "Luo", "Shi", "Tang"]
    assert (paper["year"], paper["conference"]["name"][-6:]) == (2018, "(ECCV)")
    assert paper["title"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_release_of_the_changelog_says_what_moves_a_score() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert releases
    for release in releases:
        assert re.match(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d\d-\d\d)\)", release)
        assert "\n### Numbers\n" in release


def test_the_map_of_the_rooms_is_that_of_the_contracts() -> None:
    contracts = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    layers = contracts.partition("layers =\n")[2].partition("\n\n")[0]
    (shown,) = re.findall(
        r"```\ntools \| benchmarks\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert shown.split() == layers.split()


def test_the_readme_can_be_read_in_ten_minutes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"^(```.*?^```|\|.*?$)", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(prose.split()) < 2000  # 200 words a minute
