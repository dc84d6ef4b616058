"""datasets/README.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from segibn.cli.check_dataset import build_parser
from segibn.config.frozen import Frozen
from segibn.config.load import validate
from segibn.config.sampling import ClassUniformSampling, RareClassSampling
from segibn.data import bdd100k, camvid, cityscapes, gta5


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "datasets" / "README.md").read_text(encoding="utf-8")


def test_its_commands_are_ones_that_the_tool_takes(text: str) -> None:
    commands = re.findall(r"python tools/check_dataset\.py ([^`#\n]+)", text)
    assert len(commands) >= 7
    for command in commands:
        build_parser().parse_args(command.split())


def test_its_configs_are_valid(text: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    own, mixed = (
        validate({"name": "own", **yaml.safe_load(block)}, source="datasets/README.md").data
        for block in blocks
    )
    assert own.train.folder is not None
    assert [dataset.name for dataset in mixed.sources] == ["gta5", "cityscapes", "bdd100k_semseg"]


@pytest.mark.parametrize("kind", [ClassUniformSampling, RareClassSampling])
def test_it_names_the_defaults_of_every_sampling(text: str, kind: type[Frozen]) -> None:
    defaults = {name: field.default for name, field in kind.model_fields.items() if name != "name"}
    listed = ", ".join(f"`{name}` {value:g}" for name, value in defaults.items())
    name = get_args(kind.model_fields["name"].annotation)[0]
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` "))
    assert row.endswith(f"| {listed} |")


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
