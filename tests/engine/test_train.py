"""The training loop: it learns, it resumes bit for bit, it survives being stopped or killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from segibn.builders.checkpoints import load_segmenter, read_checkpoint
from segibn.config.load import load_config
from segibn.engine.train import train
from segibn.errors import CheckpointError, ConfigError, DatasetError

ROOT = Path(__file__).resolve().parents[2]


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def start(config: Path, datasets: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "tools/train.py"), str(config), *more]
    command += ["--datasets", str(datasets), "--output", str(run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a process group of its own, to signal as a whole
    )


def wait_for_checkpoint(run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (run / "checkpoints/last.pt").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_same_weights(first: Path, second: Path) -> None:
    one, two = read_checkpoint(first), read_checkpoint(second)
    assert one["iteration"] == two["iteration"]
    assert one["model"].keys() == two["model"].keys()
    for key, value in one["model"].items():
        assert torch.equal(value, two["model"][key]), key
    momenta = [c["training"]["optimizer"]["state"] for c in (one, two)]
    for index, state in momenta[0].items():
        assert torch.equal(state["momentum_buffer"], momenta[1][index]["momentum_buffer"])


def test_run_learns_and_leaves_config_curves_and_scores(blocks: Path, blocks_config: Path, tmp_path: Path) -> None:
    config = load_config(blocks_config, ["optim.iterations=40", "optim.lr=0.05", "engine.checkpoint_every=40"])
    run = tmp_path / "run"
    result = train(config, datasets_root=blocks, output=run)
    assert result.iteration == 40
    curve = [record["loss"] for record in metrics(run) if "loss" in record]
    assert len(curve) == 40
    assert sum(curve[-5:]) < 0.75 * sum(curve[:5])
    scores = json.loads(next((run / "scores").iterdir()).read_text())
    assert scores["num_images"] == 3
    assert scores["miou"] > 0.45  # a coin gives a third
    assert load_config(run / "config.yaml") == config
    assert "git_revision" in json.loads((run / "environment.json").read_text())
    assert any((run / "tensorboard").iterdir())
    network, loaded, meta = load_segmenter(result.checkpoint)
    assert (loaded, meta["class_names"], network.num_classes) == (config, ["dark", "bright"], 2)


def test_stopped_run_saves_and_resumes_to_the_same_bits(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    more = ("optim.iterations=16", "data.val=null")
    process = start(light_config, blocks, tmp_path / "cut", *more, "data.workers=2")
    wait_for_checkpoint(tmp_path / "cut", process)
    os.killpg(process.pid, signal.SIGTERM)  # as timeout and Slurm do: the loader hears it too
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, text
    assert 0 < read_checkpoint(tmp_path / "cut/checkpoints/last.pt")["iteration"] < 16

    config = load_config(light_config, [*more, "engine.checkpoint_every=16"])
    torch.set_num_threads(1)  # as in the process that was stopped: sums depend on it
    train(config, datasets_root=blocks, output=tmp_path / "cut", resume="auto")
    train(config, datasets_root=blocks, output=tmp_path / "whole")
    assert_same_weights(tmp_path / "cut/checkpoints/last.pt", tmp_path / "whole/checkpoints/last.pt")
    losses = [[m["loss"] for m in metrics(tmp_path / r) if "loss" in m] for r in ("cut", "whole")]
    assert losses[0] == losses[1]


def test_sources_are_mixed_and_sampled_by_class_in_the_loop_and_named_in_records(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    tree = yaml.safe_load(light_config.read_text())
    source = {"dataset": tree["data"]["val"], "share": 0.5}
    tree["data"] |= {"mix": [source], "sampling": "class_uniform"}
    path = tmp_path / "mixed.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(DatasetError, match=r"data\.mix\.0\.dataset and data\.val share 3 frames"):
        train(load_config(path), datasets_root=blocks, output=tmp_path / "none")
    config = load_config(path, ["optim.iterations=3", "data.val=null"])
    assert config.data.title == "folder:train+folder:val"
    train(config, datasets_root=blocks, output=tmp_path / "mixed")
    assert len([m for m in metrics(tmp_path / "mixed") if "loss" in m]) == 3
    indexes = sorted(path.name[:-17] for path in (blocks / ".segibn/class_index").iterdir())
    assert indexes == ["folder-train", "folder-val"]

    source["dataset"]["split"] = "nowhere"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(DatasetError, match="nowhere"):
        train(load_config(path), datasets_root=blocks, output=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_killed_run_leaves_a_checkpoint_that_loads(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    more = ["optim.iterations=1000", "engine.checkpoint_every=1", "data.val=null"]
    process = start(light_config, blocks, tmp_path / "run", *more)
    wait_for_checkpoint(tmp_path / "run", process)
    time.sleep(0.7)
    process.kill()
    process.communicate()
    _, _, meta = load_segmenter(tmp_path / "run/checkpoints/last.pt")
    assert meta["iteration"] >= 1


def test_second_run_does_not_overwrite_the_first(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    config = load_config(light_config, ["optim.iterations=1"])
    train(config, datasets_root=blocks, output=tmp_path / "run")
    with pytest.raises(ConfigError, match="already holds a run"):
        train(config, datasets_root=blocks, output=tmp_path / "run")
    other = load_config(light_config, ["optim.iterations=1", "model.backbone.ibn=none"])
    with pytest.raises(CheckpointError, match=r"model\.backbone\.ibn: b -> none"):
        train(other, datasets_root=blocks, output=tmp_path / "run", resume="auto")


def test_missing_validation_folder_shows_before_training(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    config = load_config(light_config, ["data.val.split=nowhere"])
    with pytest.raises(DatasetError, match="nowhere"):
        train(config, datasets_root=blocks, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
