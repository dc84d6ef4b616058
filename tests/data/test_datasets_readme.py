"""datasets/README.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from segibn.cli.check import build_parser
from segibn.config.data import ClassUniformSampling, RareClassSampling
from segibn.config.load import validate
from segibn.config.values import Frozen
from segibn.data.datasets.catalog import DATASETS, dataset_source


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "datasets" / "README.md").read_text(encoding="utf-8")


def test_its_commands_are_ones_that_the_tool_takes(text: str) -> None:
    commands = re.findall(r"segibn check ([^`#\n]+)", text)
    assert len(commands) >= 7
    for command in commands:
        build_parser().parse_args(command.split())


def test_its_configs_are_valid(text: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    own, mixed = (
        validate({"name": "own", **yaml.safe_load(block)}, source="datasets/README.md").data for block in blocks
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


@pytest.mark.parametrize("name", DATASETS)
def test_its_table_has_every_data_set_with_its_splits_and_official_counts(text: str, name: str) -> None:
    source = dataset_source(name)
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` "))
    _, _, folder, splits, check, _ = (cell.strip() for cell in row.split("|"))
    assert folder == f"`{source.folder}/`"
    assert check == f"`segibn check {name}`"
    listed = [part.strip().removesuffix("(no labels)").strip() for part in splits.split("·")]
    expected = [f"{split} {n:,}" if n else split for split, n in source.splits.items()]
    assert listed == expected


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_the_name_of_its_module(name: str) -> None:
    assert dataset_source(name).name == name


@pytest.mark.parametrize("name", DATASETS)
def test_it_names_the_address_that_the_errors_name(text: str, name: str) -> None:
    address = re.search(r"https?://[^ ]+", dataset_source(name).where)
    assert address is not None
    assert address.group().rstrip("/") in text


@pytest.mark.parametrize("name", DATASETS)
def test_its_tree_starts_with_the_folder_of_the_data_set(text: str, name: str) -> None:
    assert re.search(rf"```\n{dataset_source(name).folder}/\n[├└]", text)
