"""Options are read or refused, names are suggested, and what is missing is said before torch."""

import argparse
import ast
import os
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import segibn
from segibn.cli.arguments import datasets_root
from segibn.cli.main import main
from segibn.cli.verbs import VERBS
from segibn.errors import SegibnError
from segibn.evaluation.measures import METRICS
from segibn.files.encode import write_image
from segibn.inference.options import InferenceOptions
from segibn.runs.outside import Said
from segibn.runs.wanted import Wanted

CLI = Path(segibn.__file__).parent / "cli"
OWN = """
name: own
data:
  train:
    name: folder
    split: train
    folder:
      images: {images}
      targets: labels/{{split}}
      labels:
        - {{name: ground, label_id: 0, train_id: 0, color: [0, 0, 0]}}
        - {{name: road, label_id: 1, train_id: 1, color: [128, 64, 128]}}
  crop_size: [32, 64]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an empty checkpoint, a frame, something called a video and configs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/a/checkpoints").mkdir(parents=True)
    (tmp_path / "runs/a/checkpoints/last.pt").touch()
    write_image(tmp_path / "frame.png", np.zeros((8, 16, 3), np.uint8))
    (tmp_path / "drive.mp4").touch()
    (tmp_path / "table.json").write_text("[]")
    (tmp_path / "own.yaml").write_text(OWN.format(images="images/{split}"))
    (tmp_path / "one.yaml").write_text(OWN.format(images="images").replace("/{split}", ""))
    return tmp_path


def parsers_of(verb: str) -> list[argparse.ArgumentParser]:
    parser = import_module(f"segibn.cli.{VERBS[verb].module}").build_parser()
    subs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return [parser, *(one for action in subs for one in action.choices.values())]


def modules_of(name: str, seen: set[str]) -> set[str]:
    """Return a module of ``segibn.cli`` and all of them that it imports."""
    if name in seen or not (CLI / f"{name}.py").is_file():
        return seen
    seen.add(name)
    for node in ast.walk(ast.parse((CLI / f"{name}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("segibn.cli"):
            inside = node.module.removeprefix("segibn.cli").removeprefix(".")
            for part in [inside] if inside else [alias.name for alias in node.names]:
                modules_of(part, seen)
    return seen


def names_read(modules: set[str]) -> set[str]:
    """Attributes that are read, and names in strings outside the definitions of arguments."""
    found = set()
    for module in modules:
        tree = ast.parse((CLI / f"{module}.py").read_text())
        defined = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("add", "add_argument"))
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and node not in defined:
                found.add(node.value)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_read_by_it(verb: str) -> None:
    options = (*METRICS, *fields(InferenceOptions), *fields(Wanted), *fields(Said))
    generic = {option.name for option in options}
    read = names_read(modules_of(VERBS[verb].module, set())) | generic
    declared = {action.dest for parser in parsers_of(verb) for action in parser._actions}
    assert declared - read - {"help", "list_protocols"} == set()


IDLE = [
    "evaluate a --picture-count 3",
    "evaluate a --allow-code",
    "calibrate a --tolerance 2",
    "calibrate a --share --output t.yaml",
    "leaderboard results --as mine",
    "study own.yaml --output out --baseline",
    "evaluate a --stride 8x8",
    "evaluate a --blending gaussian",
    "evaluate a --input-size 8x8 --input-height 8",
    "evaluate a --dataset camvid --label-map rein",
    "cross-domain a --on camvid:val --picture",
    "cross-domain a --on camvid:val camvid:val --output out",
    "compare-inference a --on x=camvid:val x=gta5:val --recipes inference/whole",
    "study own.yaml --output out --train-label x",
    "study own.yaml --output out --results x",
    "study own.yaml --output out --set seed=3",
    "study own.yaml --output out --on camvid:val camvid:val",
    "study own.yaml --from a --output out --set seed=3",
    "study own.yaml --from a --output out --on camvid:val camvid:val",
    "demo --set seed=3",
    "report runs/a --no-frames --frames 3",
    "report table.json --frames 3",
    "report table.json --device cpu",
    "report runs/a --no-frames --datasets .",
    "report runs/a --no-frames --device cpu",
    "stress a --on camvid:val --corruptions RGB+50 --levels 4",
    "stress a --on camvid:val --corruptions RGB+50 --seed 4",
    "predict a frame.png --save labels --classes road",
    "predict a frame.png --save labels --alpha 0.3",
    "predict a frame.png --save color --alpha 0.3",
    "predict a frame.png --video-shows color",
    "predict a drive.mp4 --save overlay --video-shows color",
    "predict a drive.mp4 --video-shows color --alpha 0.3",
    "predict a frame.png --save labels --no-overlays",
    "predict a frame.png --resume --overwrite",
    "check camvid --encoding 2018",
    "check camvid --jobs 0",
    "check own.yaml --encoding 2018",
    "check own.yaml --names-file names.txt",
    "check one.yaml --split test",
    "configs --copy there",
    "sample-data --output out --sets gta5 --val-only cityscapes",
    "export a --output model.onnx --int8",
    "export a --output model.onnx --calibrate .",
    "export a --output model.safetensors --time",
    "export a --output model.safetensors --labels",
    "convert runs/a --output model.safetensors --output-stride 8",
    "convert runs/a --output model.safetensors --trained-on gta5",
    "convert runs/a --output model.pt --variant ibn",
    "submit wad a --images . --output x.zip --ids names.txt --expect-test-set",
    "validate-submission x.zip --format wad --target-encoding 2018",
    "validate-submission x.zip --format cityscapes --labels . --target-encoding 2018",
]


def test_a_report_refuses_a_device_even_where_it_shows_no_frame(folder: Path) -> None:
    with pytest.raises(SegibnError, match="no_such_device"):
        main(["report", "runs/a", "--device", "no_such_device"])
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("command", IDLE)
def test_an_option_that_would_have_no_effect_is_refused(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    words = command.split()
    with pytest.raises((SegibnError, SystemExit)) as caught:
        main(words)
    said = f"{caught.value} {capsys.readouterr().err}"
    named = [word for word in words if word.startswith("--") or ":" in word]
    assert any(name in said or name[2:].replace("-", "_") in said for name in named), said
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("evaluate a --outptu x", "did you mean '--output'?"),
        ("export a --outptu=x", "did you mean '--output'?"),
        ("predict a frame.png --overwirte", "did you mean '--overwrite'?"),
        ("submit wad a --imges x", "did you mean '--images'"),
        ("submit wda a", "did you mean 'wad'?"),
        ("score semsge", "did you mean 'semseg'?"),
        ("evaluate a --precision Float16", "did you mean 'float16'"),
        ("evaluate a --dataset Cityscapes", "did you mean 'cityscapes'"),
        ("evaluate a --dataset folder", "named by their config"),
        ("evaluate a --dataset gta5 --split vall", "did you mean 'val'"),
        ("evaluate runs/b", "there are a"),
        ("evaluate a --datasets no_such", "--datasets no_such: there is no such folder"),
        ("cross-domain a --on Cityscapes:val", "did you mean 'cityscapes'"),
        ("cross-domain a --on cityscapes:vla", "did you mean 'val'"),
        ("stress a --on camvid:val --corruptions Fog", "did you mean 'fog'"),
        ("evaluate a --recipe multi_scale_flp", "did you mean 'inference/multi_scale_flip'"),
        ("EVALUATE a", "did you mean 'evaluate'"),
        ("check Cityscapes", "did you mean 'cityscapes'"),
        ("check own.yaml --split test", "has no split 'test'; it has train, val"),
        ("train gta5_inb", "did you mean 'gta5_ibn'"),
    ],
)
def test_a_name_that_is_not_known_is_answered_by_a_likely_one(
    command: str, meant: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
    (folder / "datasets").symlink_to(folder)
    try:
        assert main(command.split()) == 2
        said = ""
    except (SegibnError, SystemExit) as error:
        said = str(error)
    shown = capsys.readouterr().err
    assert meant in f"{said} {shown}"
    assert len(shown.splitlines()) <= 3  # two of usage


def test_what_is_missing_is_said_and_a_set_checked_before_torch_is_imported(folder: Path) -> None:
    commands = [
        "predict no_such frame.png",
        "predict a no_such",
        "predict a frame.png --save labels --alpha 0.3",
        "evaluate no_such",
        "evaluate a --dataset gta5 --split no_such",
        "cross-domain a no_such --on gta5:val",
        "compare-inference no_such --on gta5:val --recipes inference/whole",
        "stress no_such --on gta5:val",
        "divergence no_such --domains gta5:val camvid:val",
        "export no_such --output x.onnx",
        "convert no_such.pt --output x.pth",
        "card no_such --output x.md",
        "submit wad no_such --images . --output x.zip",
        "report no_such",
        "check own.yaml --datasets .",
        "check gta5 --datasets .",
    ]
    code = (
        "import sys\nfrom segibn.cli.main import main\nfrom segibn.errors import SegibnError\n"
        "for command in sys.argv[1:]:\n"
        "    try: main(command.split())\n"
        "    except SegibnError as error: print('refused:', str(error).splitlines()[0])\n"
        "    assert 'torch' not in sys.modules, command\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *commands],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CLI.parents[1])},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused:") == len(commands), done.stdout


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("evaluate a --output runs", "is a folder"),
        ("card a --output runs", "is a folder"),
        ("compare a.json b.json --output x.json --plot runs", "is a folder"),
        ("check camvid --json runs", "is a folder"),
        ("score cityscapes --target a --pred b --output runs", "is a folder"),
        ("train own.yaml --output table.json", "is a file"),
        ("cross-domain a --on camvid:val --output table.json", "is a file"),
        ("demo --output table.json", "is a file"),
        ("evaluate a --output table.json/scores.json", "no folder to write in"),
        ("evaluate a --pictures table.json", "is a file"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(command: str, reason: str, folder: Path) -> None:
    with pytest.raises(SegibnError, match=reason) as caught:
        main(command.split())
    assert any(name in str(caught.value) for name in ("runs", "table.json"))


def test_a_home_that_the_shell_left_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert main(["configs", "sample_ibn", "--copy=~/mine"]) == 0
    assert (folder / "mine/sample_ibn.yaml").is_file()
    monkeypatch.setenv("SEGIBN_DATASETS", "~/no_such")
    with pytest.raises(SegibnError, match=f"SEGIBN_DATASETS {folder}/no_such"):
        main(["check", "camvid"])
    assert datasets_root(folder) == folder  # the variable does not count beside --datasets


def test_what_is_no_option_of_train_is_told_as_a_value_of_the_config(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--lr", "0.1"], ["--set", "optim.lr=1"]):
        with pytest.raises(SystemExit):
            main(["train", "own.yaml", *words])
        shown = capsys.readouterr().err
        assert "did you mean" not in shown
        assert "optim.lr=0.02" in shown
    with pytest.raises(SystemExit):
        main(["train"])
    assert "required: config\n" in capsys.readouterr().err
