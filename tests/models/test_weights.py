from pathlib import Path

import pytest
import torch

from segibn.builders.checkpoints import FORMAT, load_segmenter, read_checkpoint
from segibn.builders.models import build_segmenter
from segibn.config.schema import RunConfig
from segibn.errors import CheckpointError

NAMES = ["road", "car", "sky"]


def _config(ibn: str = "a", weights: str = "none") -> RunConfig:
    model = {
        "backbone": {"name": "resnet18", "ibn": ibn, "output_stride": 16},
        "head": {"name": "fcn", "channels": 16, "dilation": 6},
        "aux_head": {"layer": "layer3", "channels": 8},
        "weights": weights,
    }
    return RunConfig.model_validate({"name": "x", "data": {"train": {"name": "gta5"}}, "model": model})


@pytest.fixture(scope="module")
def content() -> dict:
    torch.manual_seed(0)
    model = build_segmenter(_config().model, len(NAMES))
    return {
        "format": FORMAT,
        "format_version": 1,
        # The file once named is gone: a checkpoint must not need what its training started from.
        "config": _config(weights="/gone/imagenet.pth").model_dump(mode="json"),
        "class_names": NAMES,
        "palette": [[1, 2, 3]] * 3,
        "classes": "cityscapes19",
        "iteration": 12,
        "model": model.state_dict(),
        "training": None,
        "versions": {},
    }


def _saved(tmp_path: Path, content: dict) -> Path:
    torch.save(content, tmp_path / "last.pt")
    return tmp_path / "last.pt"


def test_a_checkpoint_gives_its_network_back_ready_for_inference(tmp_path, content) -> None:
    model, config, meta = load_segmenter(_saved(tmp_path, content))
    assert not model.training
    assert config.model.backbone.ibn == "a"
    assert (meta["class_names"], meta["iteration"]) == (NAMES, 12)
    assert "model" not in meta
    state = model.state_dict()
    assert state.keys() == content["model"].keys()
    assert all(torch.equal(state[key], value) for key, value in content["model"].items())
    assert model.predict(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).max() < len(NAMES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pt: no such file"):
        load_segmenter(tmp_path / "none.pt")


def test_a_checkpoint_that_is_cut_short_is_named(tmp_path: Path, content: dict) -> None:
    path = _saved(tmp_path, content)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"last\.pt is cut short"):
        load_segmenter(path)


def test_other_weights_are_not_a_checkpoint(tmp_path, content) -> None:
    path = _saved(tmp_path, content["model"])
    with pytest.raises(CheckpointError, match=r"last\.pt is not a segibn checkpoint: it holds back"):
        load_segmenter(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds a list, not a dict"):
        load_segmenter(path)


def test_a_newer_format_asks_for_an_update(tmp_path, content) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint format 3, .* update segibn"):
        read_checkpoint(_saved(tmp_path, {**content, "format_version": 3}))


def test_an_incomplete_checkpoint_says_what_it_lacks(tmp_path, content) -> None:
    partial = {key: value for key, value in content.items() if key != "class_names"}
    with pytest.raises(CheckpointError, match="lacks class_names"):
        read_checkpoint(_saved(tmp_path, partial))


def test_another_architecture_is_refused_with_a_short_list_of_keys(tmp_path, content) -> None:
    other = {**content, "config": _config("none").model_dump(mode="json")}
    with pytest.raises(CheckpointError) as caught:
        load_segmenter(_saved(tmp_path, other))
    message = str(caught.value)
    assert "another architecture than its config describes (resnet18, ibn none, fcn)" in message
    assert "missing backbone.layer1.0.bn1.weight" in message
    assert len(message.splitlines()) < 10


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2"])
def test_graphs_are_no_checkpoints_and_are_not_opened(name, tmp_path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(CheckpointError, match=rf"{name} is an? .*graph.*; give the run"):
        load_segmenter(tmp_path / name)


def test_another_number_of_classes_is_refused_with_the_shapes(tmp_path, content) -> None:
    four = {"class_names": [*NAMES, "bus"], "palette": [[1, 2, 3]] * 4}
    with pytest.raises(CheckpointError, match=r"classifier.weight has shape \(3, 16, 1, 1\), exp"):
        load_segmenter(_saved(tmp_path, {**content, **four}))


def test_a_config_of_another_version_is_refused_with_its_path(tmp_path, content) -> None:
    config = {**content["config"], "model": {**content["config"]["model"], "neck": 1}}
    with pytest.raises(CheckpointError, match=r"model\.neck: unknown key"):
        load_segmenter(_saved(tmp_path, {**content, "config": config}))
