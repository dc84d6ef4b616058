"""``profile`` tells where an update's time goes, and writes it whole."""

import gzip
import json

import pytest
import yaml

from segibn.cli import profile
from segibn.runs.profile import format_profile

PARTS = [
    *("waiting for data", "copy to device", "augmentation"),
    *("forward", "loss", "backward", "optimiser"),
]


@pytest.fixture
def config(tmp_path):
    tree = {
        "data": {"train": {"name": "camvid"}, "crop_size": [32, 64], "workers": 1},
        "model": {
            "backbone": {"name": "resnet18", "output_stride": 32},
            "head": {"name": "fcn", "channels": 8},
        },
        "optim": {"iterations": 4, "global_batch_size": 4},
        "engine": {"max_micro_batch": 2},
    }
    path = tmp_path / "camvid.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_parts_add_up_to_the_time_of_an_update(config, datasets, tmp_path, capsys):
    folder = tmp_path / "profile"
    argv = [str(config), "--datasets", str(datasets), "--output", str(folder), "--steps", "3"]
    assert profile.main([*argv, "--warmup", "1", "ema={decay: 0.9}"]) == 0
    printed = capsys.readouterr().out
    found = json.loads((folder / "profile.json").read_text())
    parts = {row["name"]: row for row in found["parts"]}
    assert list(parts) == [*PARTS, "moving average", "waiting for the device", "rest"]
    assert sum(row["host_s"] for row in parts.values()) == pytest.approx(found["seconds"], rel=1e-6)
    assert (parts["forward"]["calls"], parts["optimiser"]["calls"]) == (2, 1)  # two micro-batches
    share = parts["waiting for data"]["host_s"] / found["seconds"]
    assert found["data_wait"] == pytest.approx(share)
    assert (found["steps"], found["samples"], found["loader_workers"]) == (3, 4, 1)
    assert found["loader_samples_per_s"] > 0
    assert {"command", "git_revision", "versions"} <= set(found)

    trace = gzip.decompress((folder / "trace.json.gz").read_bytes())
    events = json.loads(trace)["traceEvents"]
    ranges = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    assert (ranges.count("backward"), ranges.count("moving average")) == (6, 3)
    names = [row["name"] for row in found["operators"]]
    assert any("convolution" in name for name in names)
    assert not set(names) & set(parts)
    times = [row["host_s"] for row in found["operators"]]
    assert times == sorted(times, reverse=True)

    text = (folder / "profile.txt").read_text()
    assert text in printed
    assert f"{found['data_wait']:.1%} of the time waiting for data" in text
    assert max(map(len, text.splitlines())) <= 80
    assert sorted(path.name for path in folder.iterdir()) == [
        "profile.json",
        "profile.txt",
        "trace.json.gz",
    ]


def test_a_gpu_gets_a_column_and_a_share_of_time_that_it_was_busy():
    rows = [
        {"name": "forward", "calls": 1, "host_s": 0.010, "device_s": 0.030},
        {"name": "backward", "calls": 1, "host_s": 0.020, "device_s": 0.060},
    ]
    found = {
        "steps": 5,
        "samples": 4,
        "processes": 2,
        "device": "NVIDIA H100",
        "precision": "bfloat16",
        "seconds": 0.1,
        "data_wait": 0.03,
        "gpu_busy": 0.9,
        "loader_workers": 8,
        "loader_samples_per_s": 400.0,
        "memory_bytes": 12 * 2**30,
        "parts": rows,
        "operators": rows[:1],
    }
    text = format_profile("gta5_ibn", found)
    assert "5 updates of 4 samples, 2 processes, NVIDIA H100, bfloat16" in text
    assert "100.0 ms an update, 40.0 samples/s; 3.0% of the time waiting for data" in text
    assert "\nGPU busy: 90.0% of the time\n" in text
    forward = next(line for line in text.splitlines() if line.startswith("forward"))
    assert forward.split() == ["forward", "1", "10.00", "10.0%", "30.00"]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("option", ["--steps", "--warmup"])
def test_numbers_below_one_are_refused(option, config, capsys):
    with pytest.raises(SystemExit):
        profile.build_parser().parse_args([str(config), option, "0"])
    assert "above 0" in capsys.readouterr().err
