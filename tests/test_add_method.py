"""What CONTRIBUTING says of a method is true of its example and of all others."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.generalisation_plan import METHODS, SHIFTS
from segibn.builders.augment import MIXING, RESTYLING
from segibn.builders.perturb import PERTURBATIONS
from segibn.config.generalise import GeneraliseConfig
from segibn.config.load import load_config
from segibn.engine.terms.build import TERMS

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/generalisation.md").read_text(encoding="utf-8")
QUOTE = re.compile(r"^<!-- from: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DICTIONARIES: dict[str, Mapping[str, object]] = {
    "RESTYLING": RESTYLING,
    "MIXING": MIXING,
    "PERTURBATIONS": PERTURBATIONS,
    "TERMS": TERMS,
}
SECTIONS = sorted(GeneraliseConfig.model_fields)
sections = pytest.mark.parametrize("name", SECTIONS)


def section_class(name: str) -> type:
    found, nothing = get_args(GeneraliseConfig.model_fields[name].annotation)
    assert nothing is type(None)
    return found


def papers_of(name: str) -> list[str]:
    return re.findall(r"arXiv\s+(\d{4}\.\d{5})", section_class(name).__doc__ or "")


def test_the_example_is_quoted_to_the_letter() -> None:
    quotes = QUOTE.findall(CONTRIBUTING)
    assert len(quotes) == len(re.findall("<!-- from:", CONTRIBUTING)) == 7
    for file, quoted in quotes:
        code = (ROOT / file).read_text(encoding="utf-8")
        assert code.count(f"\n{quoted}") == 1, f"{file} has no longer:\n{quoted}"


def test_the_example_is_a_row_that_is_the_section_alone() -> None:
    row = METHODS["mixstyle"]
    config = load_config(SHIFTS["sample"].config, list(row.overrides))
    assert config.generalise.active == ("mixstyle",)
    assert config.generalise.mixstyle == section_class("mixstyle")()


@sections
def test_a_section_is_off_by_default_and_takes_the_papers_values(name: str) -> None:
    assert GeneraliseConfig.model_fields[name].default is None
    assert getattr(GeneraliseConfig(), name) is None
    section_class(name)()  # {} is enough


@sections
def test_a_section_stands_in_exactly_one_dictionary(name: str) -> None:
    assert sum(name in dictionary for dictionary in DICTIONARIES.values()) == 1


def test_the_dictionaries_hold_nothing_else_and_are_named_in_the_table() -> None:
    assert {name for entries in DICTIONARIES.values() for name in entries} == set(SECTIONS)
    shown = re.findall(r"\| `([A-Z]+)`(?: in `(\S+)`)?", CONTRIBUTING)
    assert [name for name, _ in shown] == list(DICTIONARIES)
    for name, file in shown:
        assert not file or f"\n{name}: " in (ROOT / file).read_text(encoding="utf-8")


@sections
def test_a_section_names_its_paper_and_the_guide_links_to_it(name: str) -> None:
    papers = papers_of(name)
    assert papers
    rows = [line for line in GUIDE.splitlines() if re.search(rf"`generalise\.{name}`", line)]
    assert rows, f"docs/generalisation.md has no line for generalise.{name}"
    assert any(f"arxiv.org/abs/{paper}" in row for paper in papers for row in rows)


@sections
def test_a_section_has_a_test_of_its_name(name: str) -> None:
    assert list((ROOT / "tests").rglob(f"test_{name}.py"))


@sections
def test_a_section_is_a_row_of_the_experiment(name: str) -> None:
    settings = {
        override.partition("=")[0].split(".")[1]
        for found in METHODS.values()
        for override in found.overrides
        if override.startswith("generalise.")
    }
    assert name in settings
