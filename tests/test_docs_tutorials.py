"""The tutorials are followed to the letter: their files saved, their changes made, commands run."""

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from segibn.cli.main import main
from segibn.files.writing import read_json

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs/tutorials"
RUNNABLE = [
    path
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "<!-- run -->" in path.read_text(encoding="utf-8")
]
SMALL = (
    *("optim.iterations=2", "optim.warmup_iterations=0", "optim.global_batch_size=4"),
    *("engine.checkpoint_every=2", "engine.evaluate_every=0", "engine.precision=float32"),
    *("data.workers=0", "data.crop_size=[32,32]", "model.head.channels=8"),
)
"""What makes a training of the tutorials one of seconds."""


class Ran(NamedTuple):
    """A command of a tutorial, and how it ended."""

    verb: str
    exit_code: int


class Step(NamedTuple):
    """A fenced block: what its comment says to do with it, its language, its text."""

    does: str
    language: str
    text: str


def steps_of(document: Path) -> list[Step]:
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^<!-- (.*?) -->\n)?^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Step(*block) for block in blocks]


def commands_of(block: str) -> list[list[str]]:
    return [shlex.split(line) for line in re.sub(r"\\\n\s*", " ", block).splitlines()]


def change(path: Path, diff: str) -> None:
    """Apply a diff without line numbers: what it shows as before has to be there exactly once."""
    lines = diff.splitlines()
    before = "\n".join(line[1:] for line in lines if line[:1] != "+")
    after = "\n".join(line[1:] for line in lines if line[:1] != "-")
    text = path.read_text(encoding="utf-8")
    assert f"\n{text}".count(f"\n{before}\n") == 1, f"{path.name}: {before}"
    path.write_text(f"\n{text}".replace(f"\n{before}\n", f"\n{after}\n")[1:], encoding="utf-8")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Ran]]]:
    """Follow the tutorial of one's own data set; gives its folder and what ran there."""
    folder = tmp_path_factory.mktemp("own_data")
    with contextlib.chdir(folder):
        yield folder, follow(steps_of(TUTORIALS / "own_data.md"))


def follow(steps: list[Step], small: tuple[str, ...] = SMALL) -> list[Ran]:
    """Run snippets, save files, run commands, all where we are; ``small``: values of trainings."""
    ran = []
    for step in steps:
        if step.does == "run":
            exec(compile(step.text, "tutorial", "exec"), {"__name__": "tutorial"})
        elif step.does.startswith("save: "):
            Path(step.does.removeprefix("save: ")).write_text(step.text, encoding="utf-8")
        elif step.language == "sh":
            for program, verb, *arguments in commands_of(step.text):
                assert program == "segibn"
                more = small if verb == "train" else ()
                ran.append(Ran(verb, main([verb, *arguments, *more])))
    return ran


def test_own_data_set_end_to_end(warehouse: tuple[Path, list[Ran]]) -> None:
    folder, ran = warehouse
    wanted = ["check", "train", "evaluate", "report", "compare", "predict", "export", "card"]
    assert [command for command in ran if command.exit_code != 0] == []
    assert [*dict.fromkeys(command.verb for command in ran)] == wanted
    assert len(list((folder / "predictions/labels").rglob("*.png"))) == 8
    assert list(read_json(folder / "scores.json")["iou"]) == ["floor", "crate"]
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "warehouse.onnx").is_file()
    assert "crate" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_own_annotations_from_files_to_the_second_round(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        ran = follow(steps_of(TUTORIALS / "own_annotations.md"), SMALL[:-1])  # the head is street-lite's
    assert [command for command in ran if command.exit_code != 0] == []
    wanted = ["init", "train", "evaluate", "report", "check", "import", "rank", "predict", "export-labels"]
    assert [*dict.fromkeys(command.verb for command in ran if command.verb != "check")] == [
        w for w in wanted if w != "check"
    ]
    for page in ("own/check.html", "own/report.html", "round1/rank.html"):
        assert (tmp_path / page).stat().st_size > 5_000
    assert list(read_json(tmp_path / "own/scores.json")["iou"]) == ["_background_", "crate", "floor"]
    rounds = [(tmp_path / f"round{n}/rank.txt").read_text().split() for n in (1, 2)]
    assert [len(names) for names in rounds] == [4, 4]
    assert not set(rounds[0]) & set(rounds[1])
    assert len(list((tmp_path / "for_labelme").glob("*.json"))) == 12


@pytest.mark.parametrize("document", RUNNABLE, ids=lambda path: path.name)
def test_snippets_that_say_so_run(
    document: Path, warehouse: tuple[Path, list[Ran]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = warehouse
    monkeypatch.chdir(folder)
    run = folder / "runs/demo/runs/sample_ibn_b_seed0"  # stands for the demo's
    shutil.copytree(folder / "runs/warehouse", run, dirs_exist_ok=True)
    (folder / "my_frames").mkdir(exist_ok=True)
    for name in ("street.jpg", "my_frames/street.jpg"):
        shutil.copy(folder / "warehouse/images/val/000.jpg", folder / name)
    follow([step for step in steps_of(document) if step.does == "run"])


def test_the_head_of_the_tutorial_can_be_trained(tmp_path: Path) -> None:
    for folder in ("segibn", "configs"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    changed = set()
    for step in steps_of(TUTORIALS / "adding_a_part.md"):
        verb, _, name = step.does.partition(": ")
        if verb == "save":
            (tmp_path / name).write_text(step.text, encoding="utf-8")
        elif verb == "change":
            change(tmp_path / name, step.text)
            changed.add(name)
    assert len(changed) == 2
    script = """
import torch
from segibn.config.load import load_config
from segibn.builders.models import build_segmenter
config = load_config("configs/sample_ibn.yaml", ["model.head={name: mlp, dropout: 0}"])
network = build_segmenter(config.model, 19)
logits = network(torch.zeros(2, 3, 64, 128)).logits
logits.sum().backward()
weights = sum(p.numel() for p in network.head.parameters())
try:
    load_config("configs/sample_ibn.yaml", ["model.head={name: mlp, dropuot: 0}"])
except Exception as error:
    print(tuple(logits.shape), weights, error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"(2, 19, 64, 128) {512 * 256 + 256 + 256 * 19 + 19} ")
    assert "model.head.dropuot: unknown key; did you mean 'dropout'?" in done.stdout


def test_a_change_that_no_longer_fits_is_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\ntwo\nthree\n")
    change(file, " one\n-two\n+2\n three\n")
    assert file.read_text() == "one\n2\nthree\n"
    with pytest.raises(AssertionError):
        change(file, " one\n-two\n+2\n")
