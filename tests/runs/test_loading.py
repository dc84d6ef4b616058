"""What a name means: runs, studies, shipped configs, and what is said about everything else."""

import shutil
import warnings

import numpy as np
import pytest
import torch

import segibn
from segibn.cli import convert, export
from segibn.config.load import load_config
from segibn.config.shipped import shipped_networks
from segibn.errors import CheckpointError, ConfigError


@pytest.fixture
def runs(make_run, tmp_path, monkeypatch):
    """A folder with runs/alone and a study runs/demo/runs/{first,second}_seed0 is the current."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGIBN_RUNS", raising=False)
    alone = make_run(tmp_path / "runs" / "alone")
    for name in ("first_seed0", "second_seed0"):
        shutil.copytree(alone, tmp_path / "runs" / "demo" / "runs" / name)
    return tmp_path / "runs"


def test_runs_are_found_by_name_also_inside_a_study(runs, tmp_path, monkeypatch):
    names = ["alone", "demo/runs/first_seed0", "demo/runs/second_seed0"]
    shipped = list(shipped_networks())
    assert segibn.list_models() == [*shipped, *names]
    assert segibn.load("alone").iteration == 5
    for name in ("first_seed0", "runs/first_seed0", names[1], "runs/demo/runs/first_seed0"):
        assert segibn.load(name).source.endswith("demo/runs/first_seed0/checkpoints/last.pt")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(runs / "alone", elsewhere / "own")
    monkeypatch.setenv("SEGIBN_RUNS", str(elsewhere))
    assert segibn.list_models() == [*shipped, *sorted([*names, "own"])]
    assert segibn.load("own").source.startswith(str(elsewhere))


def test_two_runs_of_one_name_have_to_be_told_apart(runs):
    shutil.copytree(runs / "demo", runs / "again")
    with pytest.raises(CheckpointError, match="could be again/runs/first_seed0, demo/runs/first"):
        segibn.load("first_seed0")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("second_seed1", "did you mean 'demo/runs/second_seed0'"),
        ("alonee", "did you mean 'alone'"),
        ("demo", "is a folder of runs, not one: say demo/runs/first_seed0"),
        ("runs/demo", "is a folder of runs, not one: give runs/demo/runs/first_seed0"),
        ("zebra", "In runs there are alone, demo/runs/first_seed0"),
        ("gone.pt", r"no run or checkpoint gone\.pt"),
        ("gta5_ibn", r"Train it: segibn train gta5_ibn .* segibn\.build\('gta5_ibn'\)"),
    ],
)
def test_what_a_name_does_not_mean_is_said(runs, name, message):
    with pytest.raises(CheckpointError, match=message):
        segibn.load(name)


def test_without_any_run_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGIBN_RUNS", raising=False)
    with pytest.raises(CheckpointError, match="there is no trained run"):
        segibn.load("something")


def test_a_shipped_config_is_built_untrained_with_its_classes(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.warns(UserWarning, match=r"resnet50_ibn_a-d9d0bb7b\.pth, which is not at"):
        model = segibn.build("gta5_ibn", device="cpu")
    assert (len(model.class_names), model.iteration) == (19, 0)
    assert model.class_names[0] == "road"
    assert "untrained" in repr(model)
    config = load_config(repository / "configs" / "gta5_ibn.yaml")
    assert model.config.model.backbone == config.model.backbone
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drivable = segibn.build("bdd_drivable_ibn", weights="none")
    assert drivable.class_names == ("background", "direct", "alternative")
    small = segibn.build("sample_ibn", ["model.backbone.ibn=b"])
    assert small.config.model.backbone.ibn == "b"
    with pytest.raises(ConfigError, match="did you mean 'gta5_ibn'"):
        segibn.build("gta_ibn")


def test_every_shipped_run_is_known_by_its_name_and_no_part_of_one(repository):
    names = segibn.list_configs()
    assert {p.stem for p in (repository / "configs").glob("*.yaml")} <= set(names)
    assert "real/camera_ibn" in names
    assert [name for name in names if "base/" in name or "inference/" in name] == []


def test_safetensors_predict_as_their_checkpoint(make_run, frame, tmp_path):
    run, tensors = make_run(tmp_path / "r"), tmp_path / "r.safetensors"
    checkpoint = str(run / "checkpoints" / "last.pt")
    assert convert.main([checkpoint, "--output", str(tensors)]) == 0
    expected, found = segibn.load(run, device="cpu"), segibn.load(tensors, device="cpu")
    assert (found.iteration, found.preprocessing) == (5, expected.preprocessing)
    np.testing.assert_array_equal(found.predict(frame).train_ids, expected.predict(frame).train_ids)


@pytest.mark.slow  # the export compares its graph at several sizes
def test_an_exported_graph_predicts_as_its_checkpoint(make_run, frame, tmp_path):
    pytest.importorskip("onnxscript", reason="needs the extra `export`")
    run, graph = make_run(tmp_path / "r"), tmp_path / "r.onnx"
    assert export.main([str(run), "--output", str(graph)]) == 0
    model, exported = segibn.load(run, device="cpu"), segibn.load(graph)
    assert exported.preprocessing == model.preprocessing
    assert (exported.class_names, exported.iteration) == (model.class_names, 5)
    assert repr(exported) == "TrainedRun(r.onnx: exported graph; 11 classes, on cpu)"
    expected, sure = (m.predict(frame, confidence=True) for m in (model, exported))
    agree = sure.train_ids == expected.train_ids
    assert agree.mean() > 0.999
    np.testing.assert_allclose(sure.confidence[agree], expected.confidence[agree], atol=1e-2)
    values = sure.label_ids("camvid")
    np.testing.assert_array_equal(values, exported.predict(frame).label_ids("camvid"))
    with pytest.raises(ConfigError, match="runs on the cpu"):
        segibn.load(graph, device="cuda")
