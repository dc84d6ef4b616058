"""RobustNet's checkpoints: converted, they compute what RobustNet computed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.cli.convert_checkpoint import main
from segibn.errors import CheckpointError
from segibn.models.robustnet import from_robustnet, inspect, plain_state, to_robustnet
from segibn.models.weights import load_segmenter

R50 = ["robustnet_r50os16_base", "robustnet_r50os16_ibn", "robustnet_r50os16_isw"]
KINDS = {
    "robustnet_r50os16_base": ("resnet50", "base", False, 16),
    "robustnet_r50os16_ibn": ("resnet50", "ibn", False, 16),
    "robustnet_r50os16_isw": ("resnet50", "isw", False, 16),
    "robustnet_r101os8_ibn": ("resnet101", "ibn", True, 8),
}


@pytest.fixture(scope="module")
def theirs(golden, filled_value):
    """A state dict of RobustNet's own keys, filled by the rule."""

    def build(name: str) -> dict[str, Tensor]:
        keys = golden(name)["keys"]
        return {key: filled_value(key, torch.Size(shape)) for key, shape in keys.items()}

    return build


def _convert(tmp_path: Path, state: dict[str, Tensor]) -> Path:
    content = {
        "state_dict": {f"module.{key}": value for key, value in state.items()},
        "optimizer": {},
        "epoch": 51,
        "mean_iu": 0.3,
        "command": "train.py",
    }
    torch.save(content, tmp_path / "last.pth")
    out = tmp_path / "converted.pt"
    assert main([str(tmp_path / "last.pth"), "--output", str(out)]) == 0
    return out


@pytest.mark.parametrize(
    "name", [*R50, pytest.param("robustnet_r101os8_ibn", marks=pytest.mark.slow)]
)
@torch.no_grad()
def test_a_converted_network_gives_robustnets_numbers(
    name: str, tmp_path: Path, theirs, golden, assert_golden
) -> None:
    expected = golden(name)
    state = theirs(name)
    kind = inspect(state)
    assert (kind.backbone, kind.variant, kind.deep_stem, kind.output_stride) == KINDS[name]
    model, _, meta = load_segmenter(_convert(tmp_path, state))
    model.eval()
    assert len(meta["class_names"]) == 19
    image = torch.from_numpy(np.random.RandomState(0).randn(2, 3, 64, 96)).float()
    features = model.backbone(image)
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        assert_golden(expected, stage, features[stage])
    assert_golden(expected, "main_out", model(image).logits)
    assert_golden(expected, "dsn", model.aux_head(features))


@pytest.mark.parametrize("name", R50)
def test_the_way_there_and_back_loses_nothing_but_a_bias_without_effect(name: str, theirs) -> None:
    state = theirs(name)
    back = to_robustnet(from_robustnet(state), inspect(state))
    assert back.keys() == state.keys()
    shifted = {"dsn.0.bias", "dsn.1.running_mean"}
    assert all(torch.equal(back[key], value) for key, value in state.items() if key not in shifted)
    # Converted again it is the same network.
    again, first = from_robustnet(back), from_robustnet(state)
    assert all(torch.equal(again[key], value) for key, value in first.items())


def test_the_command_writes_robustnets_file_again(tmp_path: Path, theirs) -> None:
    state = theirs("robustnet_r50os16_ibn")
    converted = _convert(tmp_path, state)
    assert main([str(converted), "--output", str(tmp_path / "back.pth")]) == 0
    content = torch.load(tmp_path / "back.pth", weights_only=True)
    back = plain_state(content)
    assert all(key.startswith("module.") for key in content["state_dict"])
    assert back.keys() == state.keys()
    assert torch.equal(back["final1.0.weight"], state["final1.0.weight"])


def test_safetensors_hold_the_same_tensors(tmp_path: Path, theirs) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    converted = _convert(tmp_path, theirs("robustnet_r50os16_base"))
    assert main([str(converted), "--output", str(tmp_path / "weights.safetensors")]) == 0
    tensors = safetensors.load_file(tmp_path / "weights.safetensors")
    model, _, _ = load_segmenter(converted)
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensors[key], value) for key, value in model.state_dict().items())


def test_weights_that_isw_cannot_hold_are_refused(theirs) -> None:
    state = theirs("robustnet_r50os16_isw")
    ours = from_robustnet(state)
    ours["backbone.layer1.2.IN.weight"][3] = 0.5
    with pytest.raises(CheckpointError, match=r"layer1\.2\.IN has a weight other than 1"):
        to_robustnet(ours, inspect(state))


def test_other_files_and_other_networks_are_refused(tmp_path: Path, theirs) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not a segibn checkpoint"):
        main([str(tmp_path / "other.pth"), "--output", str(tmp_path / "x.safetensors")])
    with pytest.raises(CheckpointError, match=r"no RobustNet checkpoint; --output x\.pt does not"):
        main([str(tmp_path / "other.pth"), "--output", str(tmp_path / "x.pt")])
    state = theirs("robustnet_r50os16_base")
    del state["layer4.2.conv3.weight"]
    torch.save({"state_dict": state}, tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"missing backbone\.layer4\.2\.conv3\.weight"):
        main([str(tmp_path / "cut.pth"), "--output", str(tmp_path / "x.pt")])
    shallow = {k: v for k, v in state.items() if not k.startswith("layer3.5")}
    with pytest.raises(CheckpointError, match="5 blocks in layer3: only its ResNet-50"):
        inspect(shallow)
    assert not (tmp_path / "x.pt").exists()
