"""Files that earlier versions of this package wrote, in tests/golden/formats.

``first`` is from the first version of all, ``ratio`` from one that took an ``ibn_ratio`` which its
network did not use, ``0_1_0`` from the release: a config with nearly every section, a checkpoint in
the middle of a training, exported files. Weights are made of few numbers, so that the files are
small; ``logits`` is what the version that wrote the file computed with them, every eighth pixel of
one image; ``labels`` every fourth of a picture.
"""

import copy
import json
import logging
import lzma
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import segibn
from segibn.builders.checkpoints import FORMAT_VERSION, STEPS, load_segmenter, read_checkpoint, upgrade_checkpoint
from segibn.builders.models import build_segmenter
from segibn.config.load import dump_config, load_config
from segibn.config.schema import CONFIG_VERSION, RunConfig
from segibn.config.upgrade import STEPS as CONFIG_STEPS
from segibn.config.upgrade import upgrade_config
from segibn.engine.checkpoint import ClassTable, resume_training, save_checkpoint
from segibn.engine.update import Updater
from segibn.errors import CheckpointError, ConfigError

OLD = Path(__file__).resolve().parents[1] / "golden" / "formats"
KINDS = ("first", "ratio")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    for path in OLD.glob("*.xz"):
        (folder / path.stem).write_bytes(lzma.decompress(path.read_bytes()))
    return folder


@pytest.mark.parametrize(("kind", "versions"), [("first", 1), ("ratio", 1), ("0_1_0", 2)])
def test_an_old_checkpoint_computes_what_it_did(kind, versions, unpacked):
    path = (unpacked if kind == "0_1_0" else OLD) / f"checkpoint_{kind}.pt"
    written = torch.load(path, weights_only=True)
    assert written["format_version"] == versions
    assert written["config"].get("config_version", 1) == versions
    model, config, meta = load_segmenter(path)
    image = torch.linspace(0, 60, 3 * 32 * 32).sin().reshape(1, 3, 32, 32)
    with torch.no_grad():
        logits = model(image * torch.linspace(-3, 3, 32))
    logits = getattr(logits, "logits", logits)
    expected = torch.tensor(json.loads((OLD / f"logits_{kind}.json").read_text()))
    scale = expected.abs().max()
    assert (logits[0, :, ::8, ::8] - expected).abs().max() <= 1e-4 * scale
    assert (config.config_version, meta["format_version"]) == (CONFIG_VERSION, FORMAT_VERSION)


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_config_is_read_and_each_change_said_in_a_line(kind, caplog):
    path = OLD / f"config_{kind}.yaml"
    with caplog.at_level(logging.INFO, logger="segibn"):
        config = load_config(path)
    old = yaml.safe_load(path.read_text())
    assert config.model.backbone.ibn == old["model"]["backbone"]["ibn"]
    assert config.optim.lr == old["optim"]["lr"]
    said = [record.getMessage() for record in caplog.records]
    if kind == "first":
        assert said == []
    else:
        assert len(said) == 1
        assert "config_ratio.yaml: model.backbone.ibn_ratio is left out: ibn b" in said[0]


def test_an_old_training_is_resumed_where_it_was(unpacked):
    path = unpacked / "checkpoint_0_1_0.pt"
    written = torch.load(path, weights_only=True)
    _, config, meta = load_segmenter(path)
    updater = Updater(config, build_segmenter(config.model, 19), meta["class_names"])
    assert resume_training(path, updater) == 7
    assert updater.average.updates == 1
    states = updater.optimizer.state_dict()["state"]
    old = written["training"]["optimizer"]["state"]
    assert all(torch.equal(states[n]["momentum_buffer"], old[n]["momentum_buffer"]) for n in old)
    assert updater.optimizer.param_groups[0]["initial_lr"] == config.optim.lr


def test_a_config_with_nearly_every_section_is_read_as_it_was_meant(caplog):
    with caplog.at_level(logging.INFO, logger="segibn"):
        config = load_config(OLD / "config_0_1_0.yaml")
    assert caplog.records == []
    written = yaml.safe_load((OLD / "config_0_1_0.yaml").read_text())
    for gone in ("whitening", "switchable"):
        del written["model"]["backbone"][gone]
    now = config.model_dump(mode="json")

    def kept(old, new):
        if isinstance(old, dict):
            return old.keys() <= new.keys() and all(kept(old[key], new[key]) for key in old)
        if isinstance(old, list):
            return len(old) == len(new) and all(map(kept, old, new))
        return old == new

    assert kept({**written, "config_version": CONFIG_VERSION}, now)
    assert len(config.generalise.active) == 13


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_an_old_exported_file_predicts_what_it_did(suffix, unpacked):
    if suffix == "onnx":
        pytest.importorskip("onnxruntime")
    rows, columns = np.mgrid[:48, :96]
    picture = np.stack([rows * 5, columns * 3, rows * columns], axis=-1) % 256
    model = segibn.load(unpacked / f"exported_0_1_0.{suffix}")
    found = model.predict(picture.astype(np.uint8)).train_ids[::4, ::4]
    expected = np.array(json.loads((OLD / "labels_0_1_0.json").read_text()))
    assert (found != expected).mean() < 0.01
    assert model.class_names[:2] == ("road", "sidewalk")


def test_an_override_is_held_to_the_present_rules():
    with pytest.raises(ConfigError, match="leave ibn_ratio out"):
        load_config(OLD / "config_ratio.yaml", ["model.backbone.ibn_ratio=0.25"])


def test_what_is_written_today_says_its_version(tmp_path):
    model, config, _ = load_segmenter(OLD / "checkpoint_first.pt")
    assert yaml.safe_load(dump_config(config))["config_version"] == CONFIG_VERSION
    save_checkpoint(
        tmp_path / "new.pt",
        model=model,
        config=config,
        classes=ClassTable("cityscapes19", ("road", "car", "sky"), [[1, 2, 3]] * 3),
        iteration=7,
        training=None,
    )
    written = torch.load(tmp_path / "new.pt", weights_only=True)
    assert written["format_version"] == FORMAT_VERSION
    assert written["config"]["config_version"] == CONFIG_VERSION
    assert RunConfig.model_validate(written["config"]) == config


def test_upgrades_change_nothing_that_is_given_and_need_no_second_pass():
    old = yaml.safe_load((OLD / "config_ratio.yaml").read_text())
    before = copy.deepcopy(old)
    new, notes = upgrade_config(old, "x")
    assert old == before
    assert len(notes) == 1
    assert upgrade_config(new, "x") == (new, [])
    a_ratio = {"model": {"backbone": {"ibn": "a", "ibn_ratio": 0.25}}}
    assert upgrade_config(a_ratio, "x") == ({**a_ratio, "config_version": CONFIG_VERSION}, [])


def test_switchable_whitening_is_gone():
    off = {"config_version": 3, "model": {"backbone": {"ibn": "b", "whitening": "none", "switchable": None}}}
    new = {"config_version": CONFIG_VERSION, "model": {"backbone": {"ibn": "b"}}}
    assert upgrade_config(off, "x") == (new, [])
    off["model"]["backbone"]["whitening"] = "switchable"
    with pytest.raises(ConfigError, match=r"x: model\.backbone: .* leave it out and train anew"):
        upgrade_config(off, "x")


@pytest.mark.parametrize(("kernels", "said"), [("default", 0), ("triton", 1)])
def test_kernels_of_earlier_versions_are_left_out(kernels, said):
    old = {"config_version": 2, "engine": {"ibn_kernels": kernels, "compile": True}}
    new, notes = upgrade_config(old, "x")
    assert new == {"config_version": CONFIG_VERSION, "engine": {"compile": True}}
    assert len(notes) == said


def test_every_earlier_version_has_its_step():
    assert sorted(CONFIG_STEPS) == list(range(1, CONFIG_VERSION))
    assert sorted(STEPS) == list(range(1, FORMAT_VERSION))


@pytest.mark.parametrize(("key", "stages"), [("features.block.IN.weight", None), ("features.block.weight", [])])
def test_a_densenets_empty_stages_mean_what_its_weights_were_built_with(key, stages):
    backbone = {"name": "densenet121", "ibn": "a", "ibn_stages": []}
    content = {"format_version": 1, "config": {"model": {"backbone": backbone}}, "model": {key: 0}}
    new = upgrade_checkpoint(content, Path("x.pt"))
    assert new["config"]["model"]["backbone"]["ibn_stages"] == stages
    assert backbone["ibn_stages"] == []


def test_files_of_a_newer_version_are_refused_with_the_fix(tmp_path):
    content = torch.load(OLD / "checkpoint_first.pt", weights_only=True)
    path = tmp_path / "a.pt"
    torch.save({**content, "format_version": FORMAT_VERSION + 1}, path)
    with pytest.raises(CheckpointError, match=r"a\.pt has checkpoint format .* update segibn"):
        read_checkpoint(path)
    newer = {**content["config"], "config_version": CONFIG_VERSION + 1}
    torch.save({**content, "config": newer}, path)
    with pytest.raises(CheckpointError, match=r"a\.pt has config_version .* update segibn"):
        read_checkpoint(path)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(newer))
    with pytest.raises(ConfigError, match=r"a\.yaml has config_version .* update segibn"):
        load_config(tmp_path / "a.yaml")
    for wrong in ("two", 0, True, None):
        with pytest.raises(ConfigError, match="no whole number"):
            upgrade_config({"config_version": wrong}, "x")
