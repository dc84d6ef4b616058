"""Every command of the documents and config headers parses, and every file they name exists."""

import argparse
import functools
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from torch.distributed.run import get_args_parser

from segibn.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("datasets", "results", "benchmarks")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
OWN_CONFIGS = {"warehouse.yaml", "calibrated.yaml", "my_config.yaml", "own/own.yaml"}
"""Files that a reader writes, or would."""
OTHER_PROGRAMS = {
    *(
        "export",
        "git",
        "cd",
        "python -m venv",
        "python -m pytest",
        ". ",
        "for",
        "done",
        "sphinx-build",
        "mkdir -p",
        "ln -s",
        "pipx install .",
        "uv ",
        "cp runs/",
    ),
    *("python preperation/createLabels.py", "PYTHONPATH=helpers", "python pano2sem.py"),
}
"""What fenced blocks start besides our own commands; a variable may be set, too."""
FENCE = re.compile(r"^```(sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = r"segibn|python -m segibn|python (?:tools|benchmarks)/\w+\.py|torchrun|make|pip"
INLINE = re.compile(rf"`((?:{PROGRAM})(?: [^`]*)?)`")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def joined(text: str) -> str:
    return re.sub(r"\\\n\s*", " ", text)


def shell_lines(path: Path) -> list[str]:
    """Return the lines of a document's shell blocks, without comments; of a config its header."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        return re.findall(r"^# command: (.*)$", text, re.MULTILINE)
    lines = [line for block in FENCE.findall(text) for line in joined(block[1]).splitlines()]
    return [kept for line in lines if (kept := re.sub(r"(^|\s)(#|> ).*$", "", line).strip())]


def inline_commands(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [" ".join(found.split()) for found in INLINE.findall(text)]


def commands_in(path: Path) -> list[str]:
    return [*shell_lines(path), *(inline_commands(path) if path.suffix == ".md" else ())]


ALL = [(name_of(path), command) for path in [*DOCUMENTS, *CONFIGS] for command in commands_in(path)]


@functools.cache
def parser_of(module: str) -> argparse.ArgumentParser:
    return importlib.import_module(f"segibn.cli.{module}").build_parser()


def parse_verb(module: str, words: list[str]) -> argparse.Namespace:
    parser = parser_of(module)
    try:
        return parser.parse_intermixed_args(words)
    except (SystemExit, TypeError):
        return parser.parse_args(words)


def verbs_within(module: str) -> set[str]:
    actions = parser_of(module)._actions
    return {name for a in actions if isinstance(a, argparse._SubParsersAction) for name in a.choices}


def check_configs(given: argparse.Namespace) -> None:
    """Every config and recipe that a command names is there."""
    several = [getattr(given, key, None) for key in ("configs", "recipes")]
    named_there = [part for many in several if isinstance(many, list) for part in many]
    for named in [getattr(given, "config", None), getattr(given, "recipe", None), *named_there]:
        if named is None:
            continue
        shown = str(named)
        found = [ROOT / shown, ROOT / "configs" / shown, ROOT / "configs" / f"{shown}.yaml"]
        assert shown.isupper() or shown in OWN_CONFIGS or any(p.is_file() for p in found), shown


def check_verb(words: list[str], module: str | None = None, prose: bool = False) -> None:
    """``words`` follow ``segibn``, or with ``module`` a script's name."""
    if module is None:
        if (prose and not words) or words[:1] in (["--help"], ["--version"], ["VERB"]):
            return
        assert words[0] in VERBS, words[0]
        module, words = VERBS[words[0]].module, words[1:]
    if (words in ([], ["--help"]) and (prose or words)) or "..." in words:
        return  # the name of a verb, or the form of a command
    if prose and words == [word for word in words if word in verbs_within(module)]:
        return  # such as `segibn score drivable`
    if prose and all(word.startswith("-") for word in words):  # an option that is spoken of
        known = parser_of(module)._option_string_actions
        assert all(word.partition("=")[0] in known for word in words), words
        return
    check_configs(parse_verb(module, words))


def check_torchrun(words: list[str]) -> None:
    words = [re.sub(r"\$\{?SLURM_JOB_NUM_NODES\}?", "2", word) for word in words]
    given = get_args_parser().parse_args(words)
    rest = [given.training_script, *given.training_script_args]
    assert given.module
    assert rest[0] == "segibn"
    check_verb(rest[1:])


def check_pip(words: list[str]) -> None:
    """Extras exist; nothing is asked of others' packages."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = extras["optional-dependencies"].keys()
    for word in words:
        match = re.fullmatch(r"(?:\.|segibn)\[([\w,]+)\]", word)
        assert match is None or set(match[1].split(",")) <= known, word


def check_benchmark(script: str, words: list[str]) -> None:
    shared = ("benchmarks/timing.py", "segibn/cli/arguments.py")
    source = "".join((ROOT / file).read_text() for file in (script, *shared))
    assert all(f'"{word}"' in source for word in words if word.startswith("--")), words


def check(command: str, prose: bool = False) -> None:
    command = re.sub(r"^srun .*?(?=torchrun)|^\.venv/bin/", "", command.rstrip("&; "))
    words = shlex.split(command)
    if "torchrun" in words[:1]:
        check_torchrun(words[1:]) if len(words) > 1 else None
    elif words[0].endswith("segibn"):
        check_verb(words[1:], prose=prose)
    elif words[:3] == ["python", "-m", "segibn"]:
        check_verb(words[3:], prose=prose)
    elif words[0] == "python" and words[1].startswith("tools/"):
        assert (ROOT / words[1]).is_file(), words[1]
        called = re.search(r"from segibn.cli.(\w+) import main", (ROOT / words[1]).read_text())
        check_verb(words[2:], called[1], prose)
    elif words[0] == "python" and words[1].startswith("benchmarks/"):
        check_benchmark(words[1], words[2:])
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets), command
    elif words[0] == "pip":
        check_pip(words[1:])
    elif words[0] == "bash":
        assert f"\n{words[2]})\n" in (ROOT / words[1]).read_text(), command
    else:
        known = any(command.startswith(name) for name in OTHER_PROGRAMS)
        assert known or re.match(r"\w+=", command), command


@pytest.mark.parametrize(("document", "command"), sorted(set(ALL)))
def test_command_parses(document: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    slurm = document == "docs/training.md" and "torchrun" not in command
    if slurm and any(command in block for kind, block in fences(document) if kind == "bash"):
        return  # a script for Slurm: tests/test_training_guide.py
    check(command, prose=command in inline_commands(ROOT / document))


def fences(document: str) -> list[tuple[str, str]]:
    return [(kind, joined(block)) for kind, block in FENCE.findall((ROOT / document).read_text())]


def test_a_wrong_command_of_each_kind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for wrong in (
        "segibn trian gta5_ibn",
        "segibn train gta5_ibn --dryrun",
        "segibn train no_such_config",
        "segibn evaluate runs/a --recipe configs/inference/no_such.yaml",
        "torchrun --standalone --nproc_per_node=4 -m segibn train no_such_config",
        "torchrun --standalone --nproc=4 -m segibn train --no-such-option gta5_ibn",
        "python tools/no_such.py",
        "python benchmarks/metrics.py --no-such-option",
        "make no-such-target",
        "pip install '.[nosuch]'",
        "rm -r results",
    ):
        with pytest.raises((AssertionError, SystemExit)):
            check(wrong)


def test_the_script_of_the_shipped_networks_names_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    script = joined((ROOT / "tools/train_shipped.sh").read_text())
    parts = re.findall(r"^    part (\w+)$", script, re.MULTILINE)
    trained = {name for path in CONFIGS if (name := path.stem).startswith(("street_lite", "drivable_lite"))}
    assert trained - {"street_lite_left_out"} == set(parts)
    for part, before in zip(parts, ["", *parts], strict=False):
        first_line = re.search(r"^init_from: (.*)$", (ROOT / f"configs/{part}.yaml").read_text(), re.MULTILINE)
        assert (part.endswith("_first") and not first_line) or first_line[1].startswith(f"runs/{before}"), part
    commands = re.findall(r"segibn .*", script)
    assert len(commands) == 6
    for command in commands:
        for name, value in (("$1", parts[0]), ("${@:3}", "a.jpg"), ("${settings[@]}", "seed=1")):
            command = command.replace(name, value)
        check(re.sub(r" # .*", "", command))


def test_the_documents_hold_the_commands_that_they_must() -> None:
    readme = commands_in(ROOT / "README.md")
    assert {"make demo", "make test"} <= set(readme)
    assert "python tools/train.py configs/gta5_ibn.yaml" in readme
    for verb in ("demo", "predict", "report", "train", "evaluate", "submit"):
        assert any(command.startswith(f"segibn {verb} ") for command in readme), verb
    shown = {command.split()[1] for _, command in ALL if re.match(r"segibn [\w-]+", command)}
    assert set(VERBS) - shown == set(), "verbs that no document shows"


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_the_header_of_a_config_says_how_to_run_it(path: Path) -> None:
    commands = shell_lines(path)
    assert commands
    inside = name_of(path).removeprefix("configs/").removesuffix(".yaml")
    assert all(re.search(rf"\b{inside}(\.yaml)?(\s|$)", command) for command in commands)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_and_named_files_exist(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert re.match(r"\w+:", target) or (path.parent / target).exists(), target
    rooms = "segibn|configs|docs|results|benchmarks|tools|tests|datasets"
    for named in re.findall(rf"`((?:{rooms})/[\w./-]+\.(?:py|yaml|md|json|txt))`", text):
        assert (ROOT / named).exists() or named in ALLOWED_NEW, named


ALLOWED_NEW = {"segibn/models/heads/mlp.py"}
"""Files that a tutorial has the reader write."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_anchors_lead_to_headings(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]*\.md)?#([\w-]+)\)", path.read_text()):
        aim = (path.parent / target if target else path).read_text()
        headings = re.findall(r"^#+ (.*)$", aim, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
        assert anchor in slugs, anchor


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_python_and_yaml_blocks_are_well_formed(path: Path) -> None:
    for kind, block in re.findall(r"^```(python|yaml)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        if kind == "python":
            compile(block, name_of(path), "exec")
        else:
            assert yaml.safe_load(block), block


def test_no_document_speaks_of_a_machine() -> None:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(?:work|root|home)/\w|/tmp/bash", text), path
