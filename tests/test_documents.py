"""Published commands are real: each one in the documents and configs parses with its own parser."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from segibn.report.tables import fill_tables

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "datasets/README.md",
        "results/README.md",
        "docs/training.md",
        "docs/measuring.md",
        "docs/inference.md",
    )
]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
COMMAND = re.compile(r"(?:python|torchrun[^\n]*?) (tools/\w+\.py[^\n#`]*)")


def commands() -> list[tuple[str, str]]:
    found = []
    for path in [*DOCUMENTS, *CONFIGS]:
        text = re.sub(r"\\\n\s*", " ", path.read_text()).replace("# command: ", "")
        for match in COMMAND.finditer(text):
            if " CONFIG" in match[1]:  # the form of a command, not one to type
                continue
            found.append((path.name, re.split(r" {3,}|\(", match[1])[0].strip()))
    return found


@pytest.mark.parametrize(("document", "command"), commands())
def test_published_command_parses(document: str, command: str) -> None:
    script, *arguments = shlex.split(command)
    assert (ROOT / script).is_file()
    parser = importlib.import_module(f"segibn.cli.{Path(script).stem}").build_parser()
    parse = getattr(parser, "parse_intermixed_args", parser.parse_args)
    try:
        given = parse(arguments)
    except (SystemExit, TypeError):
        given = parser.parse_args(arguments)
    config = getattr(given, "config", None)
    if config is not None:
        assert (ROOT / config).is_file()


def test_documents_hold_commands_at_all() -> None:
    names = [name for name, _ in commands()]
    assert names.count("README.md") >= 8
    assert len(names) >= 8 + len(CONFIGS)


def test_every_tool_enters_a_verb_of_its_name() -> None:
    for tool in (ROOT / "tools").glob("*.py"):
        assert f"from segibn.cli.{tool.stem} import main" in tool.read_text()
        assert (ROOT / "segibn/cli" / tool.name).is_file()


def test_readme_leads_through_the_code_in_five_files() -> None:
    section = (ROOT / "README.md").read_text().partition("## Read the code in this order")[2]
    files = re.findall(r"\]\((segibn/[\w/]+\.py)\)", section.partition("\n## ")[0])
    assert files == [
        "segibn/cli/train.py",
        "segibn/config/load.py",
        "segibn/models/build.py",
        "segibn/models/segmenter.py",
        "segibn/engine/train.py",
    ]
    assert all((ROOT / file).is_file() for file in files)


def test_no_module_is_named_after_nothing_and_files_stay_short() -> None:
    for path in (ROOT / "segibn").rglob("*.py"):
        assert path.stem not in {"utils", "helpers", "common", "misc"}
        table_or_schema = path.name in {"schema.py"}
        assert table_or_schema or len(path.read_text().splitlines()) <= 300, path


def test_tables_of_the_readme_are_those_of_the_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- results:camera_to_camera -->" in text
    assert fill_tables(text, ROOT / "results") == text
