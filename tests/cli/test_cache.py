"""``cache``: says what it takes, builds, goes on, verifies; training reads the result."""

import json
import shutil
from collections import namedtuple

import pytest

from segibn.cli import cache, train
from segibn.errors import DatasetError

CONFIG = """
data:
  train: {name: camvid, split: train}
  crop_size: [32, 32]
  color_jitter: [0.4, 0.4, 0.4, 0.1]
  workers: 0
model:
  backbone: {name: resnet18, output_stride: 32}
  head: {name: fcn, channels: 8}
optim: {iterations: 3, global_batch_size: 2}
engine: {log_every: 1, precision: float32}
"""


@pytest.fixture
def command(tmp_path, datasets):
    """A config file and the options every call needs."""
    config = tmp_path / "small.yaml"
    config.write_text(CONFIG)
    return [str(config), "--datasets", str(datasets), "--cache", str(tmp_path / "caches")]


def _cached(tmp_path):
    return sorted((tmp_path / "caches").rglob("*.tiles"))


def test_an_estimate_states_size_and_time_and_writes_nothing(command, tmp_path, capsys):
    assert cache.main([*command, "--estimate"]) == 0
    printed = capsys.readouterr().out
    assert "2 frames, 0 cached, 2 to do: about 0 MiB and 1 s with" in printed
    assert "are free there" in printed
    assert not (tmp_path / "caches").exists()


def test_build_verify_damage_and_mend(command, tmp_path, capsys):
    assert cache.main([*command, "--jobs", "2"]) == 0
    assert "2 frames cached" in capsys.readouterr().out
    first, second = _cached(tmp_path)
    inode = second.stat().st_ino
    assert cache.main([*command, "--verify"]) == 0
    assert "2 of 2 frames cached: every checksum is right" in capsys.readouterr().out
    first.write_bytes(first.read_bytes()[:-3])
    assert cache.main([*command, "--verify"]) == cache.EXIT_DAMAGED
    assert f"removed: {first}" in capsys.readouterr().out
    assert cache.main(command) == 0
    assert "1 cached, 1 to do" in capsys.readouterr().out
    assert _cached(tmp_path) == [first, second]
    assert second.stat().st_ino == inode
    assert cache.main(command) == 0
    assert "2 cached: nothing to do" in capsys.readouterr().out


def test_too_small_a_disk_is_refused_before_any_work(command, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1))
    with pytest.raises(DatasetError, match=r"not enough space; .*--cache"):
        cache.main(command)
    assert not (tmp_path / "caches").exists()


def test_a_training_from_the_cache_has_the_loss_of_one_from_the_files(command, tmp_path, datasets, monkeypatch):
    monkeypatch.setenv("SEGIBN_CACHE", str(tmp_path / "caches"))
    options = [command[0], "--datasets", str(datasets)]
    with pytest.raises(DatasetError, match=r"segibn cache CONFIG"):
        train.main([*options, "--output", str(tmp_path / "refused"), "data.cache=disk"])
    assert cache.main(options) == 0
    assert train.main([*options, "--output", str(tmp_path / "cached"), "data.cache=disk"]) == 0
    assert train.main([*options, "--output", str(tmp_path / "plain")]) == 0
    losses = [_losses(tmp_path / name / "metrics.jsonl") for name in ("cached", "plain")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3


def _losses(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]
