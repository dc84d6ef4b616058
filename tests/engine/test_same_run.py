"""Two runs are the same only if every bit of weights, optimiser and curves is."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from benchmarks.same_run import compare_runs, count_values
from segibn.builders.checkpoints import read_checkpoint
from segibn.config.load import load_config
from segibn.engine.run_dir import RunDir
from segibn.engine.train import train


@pytest.fixture
def runs(blocks: Path, blocks_config: Path, tmp_path: Path) -> tuple[RunDir, RunDir]:
    more = ["optim.iterations=2", "data.val=null", "ema={decay: 0.5}", "model.aux_head=null"]
    train(load_config(blocks_config, more), datasets_root=blocks, output=tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    return RunDir(tmp_path / "first"), RunDir(tmp_path / "second")


def test_a_copy_is_the_same_and_speed_does_not_count(runs: tuple[RunDir, RunDir]) -> None:
    first, second = runs
    records = [json.loads(line) for line in second.metrics_file.read_text().splitlines()]
    slower = [record | {"images_per_s": 0.1, "data_wait": 0.9} for record in records]
    second.metrics_file.write_text("".join(json.dumps(record) + "\n" for record in slower))
    assert compare_runs(first, second) == []
    content = read_checkpoint(first.last_checkpoint)
    counted = count_values(first)
    assert counted["records"] == 2
    momenta = len(content["training"]["optimizer"]["state"])
    assert counted["tensors"] == 2 * len(content["model"]) + momenta  # average, trained, momenta


@pytest.mark.parametrize("part", ["average", "trained", "momentum"])
def test_one_last_bit_is_found_and_named(runs: tuple[RunDir, RunDir], part: str) -> None:
    first, second = runs
    content = read_checkpoint(second.last_checkpoint)
    tensor, name = {
        "average": (content["model"]["head.conv.1.bias"], "model.head.conv.1.bias"),
        "trained": (
            content["training"]["model"]["backbone.bn1.running_var"],
            "training.model.backbone.bn1.running_var",
        ),
        "momentum": (
            content["training"]["optimizer"]["state"][7]["momentum_buffer"],
            "training.optimizer.state.7.momentum_buffer",
        ),
    }[part]
    flat = tensor.view(-1)
    flat[0] = torch.nextafter(flat[0], torch.tensor(2.0))
    torch.save(content, second.last_checkpoint)
    (line,) = compare_runs(first, second)
    assert line.startswith(f"{name}: 1 of {tensor.numel()} values differ, by ")


def test_curves_of_other_lengths_and_losses_differ(runs: tuple[RunDir, RunDir]) -> None:
    first, second = runs
    lines = second.metrics_file.read_text().splitlines()
    record = json.loads(lines[0])
    second.metrics_file.write_text(json.dumps(record | {"loss": record["loss"] + 1e-9}) + "\n")
    found = compare_runs(first, second)
    assert len(found) == 2
    assert found[0].startswith("metrics.jsonl: {'iteration': 1")
    assert found[1] == "metrics.jsonl: 2 -> 1 records"
