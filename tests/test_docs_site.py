"""The site is built without a warning, and its references hold everything that the code has."""

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from segibn.cli.verbs import VERBS
from segibn.config.backbones import BackboneConfig
from segibn.config.schema import RunConfig
from segibn.inference.config import InferenceConfig

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def load() -> Iterator[object]:
    """Import a module of ``docs/``, which is no package."""
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module
    sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def pages(load: object) -> ModuleType:
    return load("pages")  # type: ignore[operator]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, warnings being errors."""
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason="the extra `docs` has Sphinx, MyST and furo")
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(built / ".doctrees"), str(DOCS), str(built)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr == ""
    return built


def test_it_builds_without_a_warning_and_has_every_page(site: Path) -> None:
    sources = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    for path in sources:
        page = (site / path.relative_to(DOCS)).with_suffix(".html")
        assert page.is_file()
    assert "ImageNet" in (site / "networks.html").read_text(encoding="utf-8")
    assert "Foggy Cityscapes" in (site / "datasets.html").read_text(encoding="utf-8")
    assert "Numbers" in (site / "project/changelog.html").read_text(encoding="utf-8")


def test_it_asks_for_nothing_from_the_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"', text)
        assert not [address for address in loaded if "//" in address], page


def test_the_reference_of_commands_has_every_verb_and_option(site: Path, pages: ModuleType) -> None:
    sections = {
        section.partition("\n")[0]: section
        for section in re.split(r"^## ", pages.commands_reference(), flags=re.MULTILINE)
    }
    for entry in VERBS.values():
        parser = importlib.import_module(f"segibn.cli.{entry.module}").build_parser()
        shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
        options = {name for action in shown for name in action.option_strings}
        for option in options - {"-h", "--help"}:
            assert re.search(rf"^`([^`]*, )?{option}\b", sections[parser.prog], re.MULTILINE), option
    html = (site / "reference/commands.html").read_text(encoding="utf-8")
    assert html.count("<h2>") == len(VERBS)


def test_the_reference_of_configs_has_every_key_with_its_meaning(site: Path, pages: ModuleType) -> None:
    text = pages.config_reference()
    for model in (RunConfig, BackboneConfig, InferenceConfig):
        for name, field in model.model_fields.items():
            meanings = re.findall(rf"^`{name}` \(.*\)\n: (.*)$", text, re.MULTILINE)
            assert any(meaning.startswith(first_words(field.description)) for meaning in meanings)
    assert "`output_stride` (`8`, `16` or `32`; default `8`)\n" in text
    assert "`lr` (a number, > 0, <= 1e+38; default `0.01`)\n: Peak learning rate of the backbone.\n" in text
    html = (site / "reference/config.html").read_text(encoding="utf-8")
    assert "global_batch_size" in html


def first_words(description: str | None) -> str:
    assert description, "a field without a docstring"
    return " ".join(description.replace("``", "`").split()[:3])


def test_the_reference_of_python_has_what_one_imports(site: Path) -> None:
    text = (site / "reference/python.html").read_text(encoding="utf-8")
    for name in (
        "segibn.runs.loading.load",
        "segibn.builders.models.build_segmenter",
        "segibn.config.load.load_config",
        "segibn.evaluation.confusion.count_classes",
        "segibn.labels.label_set.LabelSet",
    ):
        assert f'id="{name}"' in text


def test_links_that_leave_the_site_become_paths(pages: ModuleType) -> None:
    origin, page = DOCS / "tutorials/own_data.md", "tutorials/own_data"
    relink = pages.relink
    assert relink("[a](../training.md#x)", origin, page) == "[a](../training.md#x)"
    assert relink("[a](https://b.c)", origin, page) == "[a](https://b.c)"
    assert relink("[code](../../segibn/errors.py)", origin, page) == "code (`segibn/errors.py`)"
    assert relink("[errors.py](../../segibn/errors.py)", origin, page) == "`segibn/errors.py`"
    picture = "![p](../../results/demo_seed0/comparison.jpg)"
    assert relink(picture, origin, page) == picture
    assert relink("```\n[a](nowhere.md)\n```", origin, page) == "```\n[a](nowhere.md)\n```"
    with pytest.raises(FileNotFoundError, match=r"nowhere\.md"):
        relink("[a](nowhere.md)", origin, page)


def test_a_page_that_stands_for_a_file_links_from_its_own_place(pages: ModuleType) -> None:
    source = ["# stub"]
    pages.read_source(None, "project/changelog", source)
    assert source[0].startswith("# Changelog")
    assert "(../training.md)" in source[0]


def test_messages_of_the_troubleshooting_are_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "segibn").rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert len(messages) > 25
    for message in messages:
        if message == "command not found":
            continue  # the shell's
        parts = [part.strip() for part in message.split("...") if part.strip()]
        assert all(part in code for part in parts), message
