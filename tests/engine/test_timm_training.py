"""Backbones of timm through the whole engine: training, resume, prediction, several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from segibn.builders.checkpoints import load_segmenter, read_checkpoint
from segibn.config.load import load_config
from segibn.engine.train import train
from segibn.inference.predictor import Predictor
from segibn.models.lora import has_lora
from segibn.runs.export import write_safetensors

ROOT = Path(__file__).resolve().parents[2]
KINDS = {
    "vit-lora-ema": {"model": "test_vit", "tuning": "lora", "lora_rank": 4},
    "convnext-frozen": {"model": "test_convnext", "tuning": "frozen"},
}


@pytest.fixture
def timm_config(blocks_config: Path) -> Path:
    tree = yaml.safe_load(blocks_config.read_text())
    tree["model"] = {"backbone": {"name": "timm", "model": "test_vit"}, "head": {"name": "linear"}}
    tree["optim"] = {"name": "adamw", "lr": 0.01, "iterations": 2, "global_batch_size": 2}
    tree["data"]["val"] = None
    tree["engine"] = {"log_every": 1, "checkpoint_every": 1, "keep_checkpoints": 9}
    path = blocks_config.with_name("timm.yaml")
    path.write_text(yaml.safe_dump(tree))
    return path


def losses_of(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines) if "loss" in record]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_trains_resumes_to_the_same_bits_and_predicts(
    kind: str, blocks: Path, timm_config: Path, tmp_path: Path
) -> None:
    more = [f"model.backbone.{key}={value}" for key, value in KINDS[kind].items()]
    more += ["ema={decay: 0.9}"] if "ema" in kind else []
    config = load_config(timm_config, more)
    whole = train(config, datasets_root=blocks, output=tmp_path / "whole").checkpoint
    part = whole.with_name("iteration_00000001.pt")
    train(config, datasets_root=blocks, output=tmp_path / "cut", resume=str(part))
    assert losses_of(tmp_path / "cut") == losses_of(tmp_path / "whole")[1:]
    expected = read_checkpoint(whole)["model"]
    found = read_checkpoint(tmp_path / "cut/checkpoints/last.pt")["model"]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())

    model, read, meta = load_segmenter(whole)
    assert read == config
    assert has_lora(expected) == ("lora" in kind)
    assert not has_lora(model.state_dict())
    frame = np.random.default_rng(0).integers(0, 256, (61, 93, 3), np.uint8)
    labels = Predictor(model, "cpu")(frame)
    assert labels.shape == (61, 93)
    # A file without the updates' own tensors says the same of itself and gives the same labels.
    write_safetensors(tmp_path / "a.safetensors", model, read, meta)
    again, config_again, _ = load_segmenter(tmp_path / "a.safetensors")
    assert config_again == config
    np.testing.assert_array_equal(Predictor(again, "cpu")(frame), labels)


def test_what_is_frozen_is_the_first_checkpoints_to_the_bit(blocks: Path, timm_config: Path, tmp_path: Path) -> None:
    more = ["model.backbone.model=test_resnet", "model.backbone.tuning=frozen"]
    result = train(load_config(timm_config, more), datasets_root=blocks, output=tmp_path / "run")
    first, last = (read_checkpoint(result.checkpoint.with_name(f"iteration_0000000{done}.pt")) for done in (1, 2))
    for key, value in last["model"].items():
        same = torch.equal(value, first["model"][key])
        assert same == key.startswith("backbone."), key
    state = last["training"]["optimizer"]["state"]
    assert len(state) == 4  # norm and classifier of the head, weight and bias each


@pytest.mark.slow
def test_two_processes_train_the_updates_alike(blocks: Path, timm_config: Path, tmp_path: Path) -> None:
    more = ["model.backbone.tuning=lora", "model.backbone.lora_rank=4", "optim.iterations=3"]
    more += ["optim.global_batch_size=4", "engine.precision=float32"]
    train(load_config(timm_config, more), datasets_root=blocks, output=tmp_path / "one")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [sys.executable, *torchrun, str(ROOT / "tools/train.py"), str(timm_config)]
    command += ["--datasets", str(blocks), "--output", str(tmp_path / "two"), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    one, two = losses_of(tmp_path / "one"), losses_of(tmp_path / "two")
    np.testing.assert_allclose(two, one, rtol=1e-4)
