"""docs/generalisation.md: its configs load, its published rows are those that are known here."""

import re
from pathlib import Path

import pytest
import yaml

from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.evaluation.published import PUBLISHED_ROWS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/generalisation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PARTS = "data|model|optim|engine|generalise"
TARGETS = ("cityscapes", "bdd100k", "mapillary")
OURS = {"plain": "no IBN", "plain, run again": "no IBN", "IBN-Net": "IBN-b", "ISW": "ISW"}
"""A row's name there -> in the table of published rows."""


def published() -> list[list[str]]:
    table = TEXT.partition("## What others published")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:2] == "| "]
    assert all(len(row) == 7 for row in rows)
    return rows[1:]


@pytest.mark.parametrize("block", BLOCKS)
def test_its_configs_load_and_do_what_they_say(block: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path)
    written = yaml.safe_load(block)
    assert set(config.generalise.active) == set(written.get("generalise", {}))


def test_every_key_it_names_exists() -> None:
    named = set(re.findall(r"`((?:data|model|optim|engine|generalise)(?:\.[a-z_]+)+)(?=[:`])", TEXT))
    assert len(named) > 20
    for path in named:
        models: list[object] = [RunConfig]
        for part in path.split("."):
            found = [m.model_fields[part].annotation for m in models if part in m.model_fields]
            assert found, path
            models = [model for annotation in found for model in _models_in(annotation)]


def _models_in(annotation: object) -> list[type]:
    if isinstance(annotation, type):
        return [annotation] if hasattr(annotation, "model_fields") else []
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]


def test_means_are_those_of_the_three_targets() -> None:
    whole = [row for row in published() if "-" not in row[2:6]]
    assert len(whole) > 10
    for _, method, *numbers, mean, _ in whole:
        assert abs(sum(map(float, numbers)) / 3 - float(mean)) < 0.06, method


def test_rows_that_are_known_here_have_the_same_numbers() -> None:
    known = [
        (row.network, row.method, [row.miou_percent.get(target) for target in TARGETS])
        for row in PUBLISHED_ROWS
        if row.train == "gta5"
    ]
    shared = [row for row in published() if row[1] in OURS]
    assert len(shared) == len(OURS)
    for network, method, *numbers, _, _ in shared:
        assert (network, OURS[method], [float(number) for number in numbers]) in known
