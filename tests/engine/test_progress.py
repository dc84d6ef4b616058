"""What a person sees while it trains, and the curves and pictures that the run folder keeps."""

import io
import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from segibn.config.load import load_config
from segibn.engine.journal import TrainingProgress, pixels_of_updates
from segibn.engine.train import train

RECORD = {"loss": 2.3451, "lr": 0.01, "images_per_s": 123.4, "data_wait": 0.07, "memory_gib": 71.2}
NUMBERS = ("loss 2.345", "lr 1.00e-02", "123.4 images/s", "7% data wait", "71.2 GiB")


def shown(is_terminal: bool, done: int) -> list[str]:
    console = Console(file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None)
    with TrainingProgress("gta5_resnet50_ibn_b", 40_000, 0, True, console) as progress:
        progress.say("a line that is longer than a terminal is wide: " + "x" * 60)
        progress.advance(done)
        progress.show(done, RECORD)
    return console.file.getvalue().splitlines()


def test_nothing_is_cut_off_in_80_columns() -> None:
    lines = shown(True, 12_345)
    bar = next(line for line in reversed(lines) if "12345/40000" in line)
    assert "gta5_resnet50_ibn_b " in bar
    assert bar.rstrip().endswith(" left")
    state = next(line for line in reversed(lines) if "loss" in line)
    assert all(number in state for number in NUMBERS)
    assert not any("…" in line for line in lines)


def test_a_pipe_gets_whole_lines_and_no_bar() -> None:
    said, last = shown(False, 40_000)
    assert said.endswith("x" * 60)
    assert last.startswith("gta5_resnet50_ibn_b  40000/40000  ")
    assert all(number in last for number in NUMBERS)


def test_time_left_is_what_the_run_needs_at_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    with TrainingProgress("run", 100, 20, True, console) as progress:
        now += 120  # for 30 updates: 50 more take 200 s
        progress.show(50, RECORD)
    assert console.file.getvalue().rstrip().endswith("about 3 min 20 s left")


def test_time_left_knows_that_the_first_updates_were_smaller(
    monkeypatch: pytest.MonkeyPatch, light_config: Path
) -> None:
    config = load_config(light_config, ["optim.iterations=100", "data.half_size_share=0.4"])
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    work = partial(pixels_of_updates, config)
    with TrainingProgress("run", 100, 0, True, console, work) as progress:
        now += 50  # for 40 updates of a quarter and 10 more: 20 of them; 50 are left
        progress.show(50, RECORD)
    assert console.file.getvalue().rstrip().endswith("about 2 min 5 s left")


def test_tensorboard_gets_the_curves_of_the_metrics_file_and_pictures(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    config = load_config(light_config, ["engine.evaluate_every=3"])
    train(config, datasets_root=blocks, output=tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    board = EventAccumulator(str(tmp_path / "run/tensorboard"))
    board.Reload()
    for name in ("loss", "lr", "images_per_s", "data_wait", "val_miou"):
        curve = [(event.step, event.value) for event in board.Scalars(name)]
        expected = [(r["iteration"], pytest.approx(r[name])) for r in records if name in r]
        assert curve == expected
    assert len(board.Scalars("loss")) == 6
    drawn = board.Tags()["images"]
    assert sorted(drawn) == ["0", "1"]  # engine.pictures of the validation frames, by name
    assert [event.step for event in board.Images("0")] == [3, 6]
    # Frame, overlay of the truth, of the prediction, and where they differ, side by side.
    assert board.Images("0")[0].width > board.Images("0")[0].height
