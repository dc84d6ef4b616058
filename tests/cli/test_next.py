"""What a verb says is next runs as it stands, from the first check to the report with frames."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from segibn.cli.main import main
from segibn.files.encode import write_image, write_label_png

LABELS = """[
  {name: ground, label_id: 0, train_id: 0, color: [0, 0, 0]},
  {name: road, label_id: 1, train_id: 1, color: [128, 64, 128]}]"""
FOLDER = f"{{images: 'images/{{split}}', targets: 'labels/{{split}}', labels: {LABELS}}}"
CONFIG = f"""
name: own
data:
  train: {{name: folder, split: train, folder: {FOLDER}}}
  val: {{name: folder, split: val, folder: {FOLDER}}}
  crop_size: [32, 64]
  workers: 0
model:
  backbone: {{name: resnet18, output_stride: 16}}
  head: {{name: fcn, channels: 8}}
optim: {{iterations: 1, warmup_iterations: 0, global_batch_size: 2}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a data set and a config in names with blanks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGIBN_DATASETS", raising=False)
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(2):
            image = random.integers(0, 256, (32, 64, 3), dtype=np.uint8)
            write_image(tmp_path / f"my data/images/{split}/{split}{number}.png", image)
            target = (image[..., 0] > 128).astype(np.uint8)
            write_label_png(tmp_path / f"my data/labels/{split}/{split}{number}.png", target)
    (tmp_path / "my own.yaml").write_text(CONFIG)
    return tmp_path


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[list[list[str]], str]:
    """Run a verb; return the words of the commands that it says are next, and all it printed."""
    assert main(words) == 0
    shown = capsys.readouterr().out
    commands = [shlex.split(line) for line in re.findall("^next: (.*)$", shown, re.MULTILINE)]
    return [words[words.index("segibn") + 1 :] for words in commands], shown


def test_the_whole_way_from_a_check_to_the_report_by_what_is_next(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, way = ["check", "my own.yaml", "--datasets", "my data"], []
    while words:
        way.append(words[0])
        found, shown = run(words, capsys)
        words = found[0] if found else []
    assert way == ["check", "train", "evaluate", "report"]
    assert "no frames" not in shown

    (after,), shown = run(["predict", "own", "my data/images/val", "--output", "out"], capsys)
    assert "then: look into out" in shown
    assert after == ["report", "own", "--datasets", "my data"]
    for report in (after, ["report", "runs/own"]):  # which knows where it was trained
        _, shown = run([*report, "--output", "again.html"], capsys)
        assert "no frames" not in shown
    assert (here / "again.html").read_text(encoding="utf-8").count("data:image/") >= 4

    (after,), _ = run(["export", "own", "--output", "my net.safetensors"], capsys)
    assert after[:2] == ["predict", "my net.safetensors"]
    run(after, capsys)
    (after,), _ = run(["card", "own", "--output", "card.md"], capsys)
    run(after, capsys)


def test_a_run_without_held_out_frames_predicts_what_it_has(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "my own.yaml", "data.val=null", "--datasets", "my data"]
    (after,), _ = run(words, capsys)
    assert after[0] == "predict"
    assert not list(here.glob("predictions"))
    found, shown = run(after, capsys)
    assert found == []  # a report would have no frames
    assert "then: look into predictions" in shown
    assert len(list((here / "predictions/labels").iterdir())) == 2


def test_a_training_whose_data_is_not_all_there_is_not_next(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "my data/labels/val/val1.png").unlink()
    words = ["check", "my own.yaml", "--split", "train", "--datasets", "my data"]
    found, shown = run(words, capsys)
    assert found == []
    assert re.search("then: .*segibn train 'my own.yaml' needs .*val1", shown)


def test_a_copied_config_and_painted_frames_lead_to_a_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, shown = run(["configs", "sample_ibn", "--copy", "my copies"], capsys)
    assert (found, "DIR" in shown) == ([], True)  # its frames are not here
    words = ["sample-data", "--output", "my frames", "--frames", "2", "1", "--size", "64", "128"]
    (after,), _ = run([*words, "--sets", "gta5"], capsys)
    assert after == ["train", "sample_ibn", "--datasets", "my frames"]
    assert "FRAMES" not in after
