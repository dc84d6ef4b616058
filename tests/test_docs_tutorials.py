"""The tutorials are followed to the letter: their files saved, their changes made, commands run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from segibn.cli.main import main
from segibn.files import read_json

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs/tutorials"
SMALL = (
    *("optim.iterations=2", "optim.warmup_iterations=0", "optim.global_batch_size=4"),
    *("engine.checkpoint_every=2", "engine.evaluate_every=0", "engine.precision=float32"),
    *("data.workers=0", "data.crop_size=[32,32]", "model.head.channels=8"),
)
"""What makes a training of the tutorials one of seconds."""


class Step(NamedTuple):
    """A fenced block: what its comment says to do with it, its language, its text."""

    does: str
    language: str
    text: str


def steps_of(tutorial: str) -> list[Step]:
    text = (TUTORIALS / tutorial).read_text(encoding="utf-8")
    blocks = re.findall(
        r"(?:^<!-- (.*?) -->\n)?^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
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


def test_own_data_set_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = []
    for step in steps_of("own_data.md"):
        if step.does == "run":
            exec(compile(step.text, "own_data.md", "exec"), {"__name__": "tutorial"})
        elif step.does.startswith("save: "):
            Path(step.does.removeprefix("save: ")).write_text(step.text, encoding="utf-8")
        elif step.language == "sh":
            for program, verb, *arguments in commands_of(step.text):
                assert program == "segibn"
                more = SMALL if verb == "train" else ()
                if verb == "export":
                    pytest.importorskip("onnx")
                assert main([verb, *arguments, *more]) == 0, (verb, capsys.readouterr())
                ran.append(verb)
    assert [*dict.fromkeys(ran)] == (
        ["check", "train", "evaluate", "report", "compare", "predict", "export"]
    )
    assert len(list(Path("predictions/labels").rglob("*.png"))) == 8
    scores = read_json(Path("scores.json"))
    assert list(scores["iou"]) == ["floor", "crate"]
    assert Path("report.html").stat().st_size > 10_000
    assert Path("warehouse.onnx").is_file()


def test_the_backbone_of_the_tutorial_is_one() -> None:
    (snippet,) = (step for step in steps_of("adding_a_part.md") if step.does == "run")
    exec(compile(snippet.text, "adding_a_part.md", "exec"), {"__name__": "tutorial"})


def test_the_head_of_the_tutorial_can_be_trained(tmp_path: Path) -> None:
    for folder in ("segibn", "configs"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    changed = set()
    for step in steps_of("adding_a_part.md"):
        verb, _, name = step.does.partition(": ")
        if verb == "save":
            (tmp_path / name).write_text(step.text, encoding="utf-8")
        elif verb == "change":
            change(tmp_path / name, step.text)
            changed.add(name)
    assert len(changed) == 3
    script = """
import torch
from segibn.config.load import load_config
from segibn.models.build import build_segmenter
config = load_config("configs/sample_ibn.yaml", ["model.head={name: linear, dropout: 0}"])
network = build_segmenter(config.model, 19)
logits = network(torch.zeros(2, 3, 64, 128)).logits
logits.sum().backward()
weights = sum(p.numel() for p in network.head.parameters())
try:
    load_config("configs/sample_ibn.yaml", ["model.head={name: linear, dropuot: 0}"])
except Exception as error:
    print(tuple(logits.shape), weights, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"(2, 19, 64, 128) {512 * 19 + 19} ")
    assert "model.head.dropuot: unknown key; did you mean 'dropout'?" in done.stdout


def test_a_change_that_no_longer_fits_is_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one\ntwo\nthree\n")
    change(file, " one\n-two\n+2\n three\n")
    assert file.read_text() == "one\n2\nthree\n"
    with pytest.raises(AssertionError):
        change(file, " one\n-two\n+2\n")
