"""Trackers against the real libraries, offline, and that none of them can stop a training."""

import json
import logging
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from segibn.engine.trackers import Trackers, require_trackers
from segibn.errors import SegibnError

CONFIG = {"name": "x", "optim": {"lr": 0.1, "iterations": 3}}


def _tell(trackers: Trackers) -> None:
    for iteration in (1, 2):
        trackers.scalars(iteration, {"loss": 1 / iteration})
    trackers.picture(2, "frame_0", np.zeros((8, 8, 3), np.uint8))
    trackers.close({"checkpoint": "last.pt", "miou": 0.5, "signature": "miou|set:x"})


def test_mlflow_keeps_numbers_config_pictures_and_the_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    _tell(Trackers(["mlflow"], tmp_path, "x", 0, CONFIG))
    run = mlflow.get_run((tmp_path / "mlflow_run.txt").read_text())
    assert run.data.metrics == {"loss": 0.5}
    assert run.data.params["optim.lr"] == "0.1"
    assert run.data.tags["signature"] == "miou|set:x"
    assert list((tmp_path / "mlruns").rglob("frame_0_000002.png"))
    Trackers(["mlflow"], tmp_path, "x", 2, CONFIG).close({})  # a resumed training goes on with its run
    assert len(mlflow.search_runs(output_format="list")) == 1


@pytest.mark.slow
def test_weights_and_biases_writes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    _tell(Trackers(["wandb"], tmp_path, "x", 0, CONFIG))
    files = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 1
    assert b"miou|set:x" in files[0].read_bytes()


def test_a_tracker_that_fails_is_told_of_once_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ModuleType("wandb")

    class Run:
        id = "1"

        def log(self, *_: object, **__: object) -> None:
            raise ConnectionError("no route\x1b[31m")

    broken.init = lambda **_: Run()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", broken)
    with caplog.at_level(logging.WARNING):
        _tell(Trackers(["wandb"], tmp_path, "x", 0, CONFIG))
    assert [record.getMessage() for record in caplog.records] == [
        "wandb failed and is left out from here on (no route\\x1b[31m)"
    ]


def test_a_tracker_that_is_not_installed_is_an_error_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segibn.extras.is_there", lambda package: False)
    with pytest.raises(SegibnError, match=r"engine\.trackers: mlflow needs mlflow: pip install 'segibn\[mlflow\]'"):
        require_trackers(["tensorboard", "mlflow"])


def test_records_are_json_and_scalars_reach_tensorboard(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _tell(Trackers(["tensorboard"], tmp_path, "x", 0, CONFIG))
    board = events.EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [event.value for event in board.Scalars("loss")] == [1, 0.5]
    assert json.dumps(board.Tags()["images"]) == '["frame_0"]'
