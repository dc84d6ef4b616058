"""A run folder explains itself, whatever cut the run."""

import json
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from segibn.config.load import load_config
from segibn.engine.run_dir import MetricsLog, RunDir, best_miou, open_run
from segibn.engine.trackers import Trackers
from segibn.engine.train import train
from segibn.errors import ConfigError, DatasetError


def environment(run: Path) -> dict:
    return json.loads((run / "environment.json").read_text())


def test_environment_tells_when_how_and_on_what_each_start_was(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    config = load_config(light_config, ["seed=5", "engine.precision=bfloat16", "data.val=null"])
    run = tmp_path / "run"
    train(config, datasets_root=blocks, output=run)
    first = environment(run)
    age = datetime.now(UTC) - datetime.fromisoformat(first["started"])
    assert timedelta(0) <= age < timedelta(minutes=10)
    assert first["command"].startswith("python ")
    assert re.fullmatch(r"[0-9a-f]{7,40}(\+changes)?", first["git_revision"])
    assert first["versions"]["torch"] == torch.__version__.partition("+")[0]
    expected = {"device": "cpu", "gpus": [], "processes": 1, "precision": "bfloat16", "seed": 5}
    assert {key: first[key] for key in expected} == expected
    assert first["threads"] == torch.get_num_threads()
    assert (first["first_iteration"], first["earlier"]) == (0, [])
    assert socket.gethostname() not in first["machine"].values()

    (run / "checkpoints/last.pt").unlink()
    train(config, datasets_root=blocks, output=run, resume="auto")
    second = environment(run)
    del first["earlier"]
    assert second["earlier"] == [first]
    assert second["first_iteration"] == 0


def test_a_run_killed_before_its_first_checkpoint_goes_on_from_the_start(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    config = load_config(light_config, ["data.val=null"])
    RunDir(tmp_path).prepare(config, {})
    with pytest.raises(ConfigError, match="already holds a run"):
        open_run(tmp_path, None)
    assert open_run(tmp_path, "auto")[1] is None
    assert train(config, datasets_root=blocks, output=tmp_path, resume="auto").iteration == 6


def test_a_mistake_that_the_loader_finds_leaves_no_folder(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    too_small = load_config(light_config, ["data.cache=memory", "data.cache_limit_gib=1e-9"])
    with pytest.raises(DatasetError, match="cache_limit_gib"):
        train(too_small, datasets_root=blocks, output=tmp_path / "run")
    rare = load_config(light_config, ["data.sampling={name: rare_class, min_pixels: 99999}"])
    with pytest.raises(ConfigError, match="min_pixels"):
        train(rare, datasets_root=blocks, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on Unix alone")
def test_curves_are_kept_where_tensorboard_does_not_take_the_folders_name(tmp_path: Path) -> None:
    run = RunDir(tmp_path / os.fsdecode(b"l\xe4uf"))
    log = MetricsLog(run, 0, Trackers(["tensorboard"], run.path, "x", 0, {}))
    log.write(1, {"loss": 0.5})
    log.close()
    assert json.loads(run.metrics_file.read_text()) == {"iteration": 1, "loss": 0.5}


def test_the_best_score_so_far_is_a_number(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert best_miou(run) == -1
    lines = ['{"iteration": 1, "val_miou": NaN}', '{"iteration": 2, "val_miou": 0.25}', "[1]"]
    for count, best in ((1, -1), (2, 0.25), (3, 0.25)):
        run.metrics_file.write_text("\n".join(lines[:count]))
        assert best_miou(run) == best
