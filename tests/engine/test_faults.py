"""Faults around a training: signals, full disks, files that vanish. It saves and says one thing."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from segibn.builders.checkpoints import read_checkpoint
from segibn.config.load import load_config
from segibn.engine import journal, scoring
from segibn.engine.run_dir import MetricsLog
from segibn.engine.train import StopSignals, train
from segibn.errors import ImageFileError, SegibnError


@pytest.fixture
def start(blocks: Path, light_config: Path, tmp_path: Path) -> Callable[..., object]:
    """Return what trains on a copy of the blocks, in ``tmp_path / "run"``."""
    root = tmp_path / "data"
    shutil.copytree(blocks, root)

    def start(*overrides: str, resume: str | None = None) -> object:
        config = load_config(light_config, ["data.val=null", *overrides])
        return train(config, datasets_root=root, output=tmp_path / "run", resume=resume)

    return start


def when(iteration: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something once an iteration has been written down."""
    write = MetricsLog.write

    def written(self, done, record):
        write(self, done, record)
        if done == iteration:
            act()

    monkeypatch.setattr(MetricsLog, "write", written)


def saved(tmp_path: Path) -> int:
    return read_checkpoint(tmp_path / "run/checkpoints/last.pt")["iteration"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_is_told_as_is_a_terminal_that_closes(start, tmp_path, monkeypatch, number) -> None:
    when(2, lambda: os.kill(os.getpid(), number), monkeypatch)
    result = start("engine.checkpoint_every=1000")
    assert result.stopped_by == number
    assert result.iteration == saved(tmp_path) in (3, 4)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.received is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_data_folder_that_vanishes_is_named_what_was_trained_is_saved_and_goes_on(
    start, tmp_path, monkeypatch
) -> None:
    images, away = tmp_path / "data/blocks/images", tmp_path / "away"
    when(2, lambda: images.rename(away), monkeypatch)
    with pytest.raises(ImageFileError, match=r"blocks/images/.*saved after \d iterations; resume"):
        start("engine.checkpoint_every=1000")
    iteration = saved(tmp_path)
    assert 2 <= iteration < 6
    away.rename(images)
    monkeypatch.undo()
    start("engine.checkpoint_every=1000", resume="auto")
    resumed = read_checkpoint(tmp_path / "run/checkpoints/last.pt")["model"]
    shutil.rmtree(tmp_path / "run")
    start("engine.checkpoint_every=1000")
    whole = read_checkpoint(tmp_path / "run/checkpoints/last.pt")["model"]
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("what", ["metrics", "pictures", "scores"])
def test_a_disk_that_fills_up_beside_the_checkpoint_ends_with_one_line_and_saved(
    start, tmp_path, monkeypatch, what
) -> None:
    def fill() -> None:
        if what == "metrics":
            monkeypatch.setattr(MetricsLog, "write", full)
        if what == "pictures":
            monkeypatch.setattr("segibn.engine.run_dir.write_image", full)
        if what == "scores":
            monkeypatch.setattr(scoring, "write_json", full)

    when(2, fill, monkeypatch)
    val = load_config(tmp_path / "blocks.yaml").data.val.model_dump_json()
    with pytest.raises(SegibnError, match=r"run.*No space left on device.*saved after \d") as said:
        start(f"data.val={val}", "engine.evaluate_every=4", "engine.checkpoint_every=1000")
    assert "\n" not in str(said.value)
    assert 2 < saved(tmp_path) <= 4


def test_the_former_checkpoint_survives_a_full_disk(start, tmp_path, monkeypatch) -> None:
    when(3, lambda: monkeypatch.setattr(torch, "save", full), monkeypatch)
    with pytest.raises(SegibnError, match=r"last.pt: cannot be written \(No space left"):
        start("engine.checkpoint_every=2")
    assert saved(tmp_path) == 2


def test_room_for_checkpoints_is_looked_at_before_the_first_update(start, tmp_path, monkeypatch) -> None:
    when(1, lambda: os.kill(os.getpid(), signal.SIGTERM), monkeypatch)
    start("engine.keep_checkpoints=3")
    size = (tmp_path / "run/checkpoints/last.pt").stat().st_size

    def refused(checkpoints: float, *overrides: str, resume: str | None = None) -> None:
        usage = type("Usage", (), {"free": int(checkpoints * size)})
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        with pytest.raises(SegibnError, match=r"the checkpoints need .* MiB free; make room"):
            start(*overrides, resume=resume)

    monkeypatch.setattr(journal, "TrainingProgress", None)  # nothing is trained
    refused(2.8, "engine.keep_checkpoints=3", resume="auto")  # one of four is there
    shutil.rmtree(tmp_path / "run")
    refused(1.8)
    refused(3.8, "engine.keep_checkpoints=3")
    assert not (tmp_path / "run").exists()
