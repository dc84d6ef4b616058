import importlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from segibn.cli import divergence, export, predict
from segibn.errors import ConfigError
from segibn.files import image_size, read_json, read_label_map

VERBS = (
    "cross_domain",
    "divergence",
    "evaluate",
    "export",
    "fine_tune",
    "make_submission",
    "predict",
    "validate_submission",
)


def test_predict_writes_maps_of_every_frame(make_run, datasets, tmp_path):
    run, frames = make_run("camvid", "camvid11"), datasets / "camvid" / "val"
    argv = [str(run), "--images", str(frames), "--output", str(tmp_path), "--device", "cpu"]
    assert predict.main(argv) == 0
    labels = sorted((tmp_path / "labels").iterdir())
    assert [path.name for path in labels] == [path.name for path in sorted(frames.iterdir())]
    assert read_label_map(labels[0]).shape == (48, 64)
    assert len(list((tmp_path / "overlays").iterdir())) == 3
    assert (tmp_path / "legend.png").exists()


@pytest.mark.slow
def test_export_writes_the_graph_and_says_what_its_outputs_mean(make_run, tmp_path, capsys):
    run = make_run("camvid", "camvid11")
    assert export.main([str(run), "--output", str(tmp_path / "model.pt2")]) == 0
    assert (tmp_path / "model.pt2").stat().st_size > 1_000_000
    assert read_json(tmp_path / "model.json")["class_names"][3] == "road"
    assert "at most" in capsys.readouterr().out


def test_divergence_compares_two_domains_in_several_networks(make_run, datasets, tmp_path, capsys):
    runs = [str(make_run("camvid", "camvid11", ibn)) for ibn in ("none", "a")]
    argv = [*runs, "--between", "camvid:val", "bdd100k_drivable:val", "--device", "cpu"]
    argv += ["--datasets", str(datasets), "--input-size", "32x48"]
    files = ["--output", str(tmp_path / "d.json"), "--plot", str(tmp_path / "d.png")]
    assert divergence.main([*argv, *files]) == 0
    found = read_json(tmp_path / "d.json")["divergence"]
    assert list(found) == ["resnet18 none", "resnet18 a"]
    assert len(found["resnet18 a"]) == 9  # the stem and eight blocks
    assert all(value > 0 for value in found["resnet18 none"].values())
    assert image_size(tmp_path / "d.png") == (480, 960)
    assert "layer4.1" in capsys.readouterr().out


def test_a_domain_with_itself_has_no_divergence(make_run, datasets, tmp_path):
    run, output = make_run("camvid", "camvid11"), tmp_path / "d.json"
    argv = [str(run), "--between", "camvid:val", "camvid:val", "--device", "cpu"]
    divergence.main([*argv, "--datasets", str(datasets), "--output", str(output)])
    values = list(read_json(output)["divergence"]["resnet18 none"].values())
    np.testing.assert_array_equal(values, 0)


def test_one_frame_is_no_domain(make_run, datasets):
    argv = ["x", "--between", "camvid:val", "camvid:train", "--frames", "1"]
    with pytest.raises(ConfigError, match="two frames"):
        divergence.main(argv)


@pytest.mark.parametrize("verb", VERBS)
def test_the_commands_in_the_help_parse(verb):
    module = importlib.import_module(f"segibn.cli.{verb}")
    text = module.EXAMPLE.replace("\\\n", " ")
    commands = re.findall(rf"tools/{verb}\.py ([^\n(]*)", text)
    assert commands
    for command in commands:
        module.build_parser().parse_args(shlex.split(command))


@pytest.mark.parametrize("arguments", [["--scales", "0"], ["--window", "512"], ["--stride", "x1"]])
def test_numbers_that_cannot_be_meant_are_refused_by_the_parser(arguments, capsys):
    module = importlib.import_module("segibn.cli.evaluate")
    with pytest.raises(SystemExit):
        module.build_parser().parse_args(["run", *arguments])
    assert "write" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_named(make_run, datasets):
    module = importlib.import_module("segibn.cli.evaluate")
    run = str(make_run("camvid", "camvid11"))
    for device in ("cuda:63", "gpu"):
        with pytest.raises(ConfigError, match=device):
            module.main([run, "--datasets", str(datasets), "--device", device])


@pytest.mark.parametrize("verb", [*VERBS, "results_table"])
def test_the_tool_calls_its_verb(verb, repository):
    text = (repository / "tools" / f"{verb}.py").read_text()
    assert f"from segibn.cli.{verb} import main" in text


def test_a_tool_prints_a_users_mistake_without_a_traceback(repository, tmp_path):
    tool = repository / "tools" / "cross_domain.py"
    command = [sys.executable, str(tool), "runs/none", "--on", "waymo:val"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown data set 'waymo'" in done.stderr
    assert "Traceback" not in done.stderr
