"""datasets/README.md says what the code does."""

import re
from pathlib import Path

import pytest
import yaml

from segibn.cli.check_dataset import build_parser
from segibn.config.load import validate
from segibn.data import bdd100k, camvid, cityscapes, gta5


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "datasets" / "README.md").read_text(encoding="utf-8")


def test_its_commands_are_ones_that_the_tool_takes(text: str) -> None:
    commands = re.findall(r"python tools/check_dataset\.py ([^`#\n]+)", text)
    assert len(commands) >= 7
    for command in commands:
        build_parser().parse_args(command.split())


def test_its_config_of_a_users_own_frames_is_valid(text: str) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    config = validate({"name": "own", **yaml.safe_load(block)}, source="datasets/README.md")
    assert config.data.train.folder is not None


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cityscapes", cityscapes.SOURCE),
        ("gta5", gta5.SOURCE),
        ("bdd100k_drivable", bdd100k.DRIVABLE),
        ("bdd100k_semseg", bdd100k.SEMSEG),
        ("camvid", camvid.SOURCE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_its_table_has_the_official_counts(text: str, name: str, source: object) -> None:
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` "))
    for split, count in source.official_counts.items():  # type: ignore[attr-defined]
        assert f"{split} {count:,}" in row


def test_it_names_the_address_that_the_errors_name(text: str) -> None:
    for source in (cityscapes.SOURCE, gta5.SOURCE, bdd100k.DRIVABLE, camvid.SOURCE):
        address = re.search(r"https?://[^ ]+", source.where)
        assert address is not None
        assert address.group().rstrip("/") in text
