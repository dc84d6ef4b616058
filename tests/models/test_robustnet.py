"""RobustNet's checkpoints: converted, they compute what RobustNet computed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.builders.checkpoints import load_segmenter
from segibn.builders.models import build_segmenter
from segibn.cli.convert import main
from segibn.config.schema import RunConfig
from segibn.engine.checkpoint import ClassTable, save_checkpoint
from segibn.errors import CheckpointError, SegibnError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.models.weights.robustnet import folded, from_robustnet, inspect, plain_state, to_robustnet

SLOW = pytest.mark.slow
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
        "mean_iu": np.float64(0.3),  # as RobustNet's script saves it
        "command": "train.py",
    }
    torch.save(content, tmp_path / "last.pth")
    out = tmp_path / "converted.pt"
    assert main([str(tmp_path / "last.pth"), "--output", str(out)]) == 0
    return out


@pytest.mark.parametrize("name", [*R50, pytest.param("robustnet_r101os8_ibn", marks=SLOW)])
@torch.no_grad()
def test_a_converted_network_gives_robustnets_numbers(name: str, tmp_path: Path, theirs, golden, assert_golden) -> None:
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


# Entries of the state dict, as RobustNet's own code builds it.
KEYS = {
    "robustnet_r50os16_base": 383,
    "robustnet_r50os16_ibn": 384,
    "robustnet_r50os16_isw": 378,
    "robustnet_r101os8_base": 701,
    "robustnet_r101os8_ibn": 699,
}


@pytest.fixture(scope="module")
def theirs_101(golden, filled_value):
    """State dicts of ResNet-101, whose golden file is the IBN network's."""
    shapes = golden("robustnet_r101os8_ibn")["keys"]
    plain = {key: shape for key, shape in shapes.items() if "instance_norm_layer" not in key}
    for norm in ("layer0.1", "layer0.4"):  # instance norms there, batch norms here
        channels = shapes[f"{norm}.weight"]
        plain |= {f"{norm}.running_mean": channels, f"{norm}.running_var": channels}
        plain[f"{norm}.num_batches_tracked"] = []
    keys = {"robustnet_r101os8_base": plain, "robustnet_r101os8_ibn": shapes}
    return lambda name: {k: filled_value(k, torch.Size(v)) for k, v in keys[name].items()}


@pytest.mark.parametrize("name", R50)
def test_a_networks_tensors_survive_the_way_there_and_back(name: str, theirs) -> None:
    state = theirs(name)
    assert len(state) == KEYS[name]
    back = to_robustnet(from_robustnet(state), inspect(state), folded(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())


@pytest.mark.parametrize(
    "name",
    [
        "robustnet_r50os16_isw",
        pytest.param("robustnet_r101os8_base", marks=SLOW),
        *(pytest.param(name, marks=SLOW) for name in KEYS if name.endswith("_ibn")),
        pytest.param("robustnet_r50os16_base", marks=SLOW),
    ],
)
def test_files_converted_there_and_back_are_the_same_in_every_bit(
    name: str, tmp_path: Path, theirs, theirs_101
) -> None:
    state = theirs(name) if name in R50 else theirs_101(name)
    assert len(state) == KEYS[name]
    converted = _convert(tmp_path, state)
    assert main([str(converted), "--output", str(tmp_path / "back.pth")]) == 0
    content = torch.load(tmp_path / "back.pth", weights_only=True)
    assert all(key.startswith("module.") for key in content["state_dict"])
    assert (content["epoch"], content["mean_iu"]) == (51, 0.3)
    back = plain_state(content, tmp_path)
    assert back.keys() == state.keys()
    different = [key for key, value in state.items() if not torch.equal(back[key], value)]
    assert different == []
    # And from there once more: this package's tensors are the same bits too.
    first = load_segmenter(converted)[0].state_dict()
    (tmp_path / "again").mkdir()
    again = load_segmenter(_convert(tmp_path / "again", back))[0].state_dict()
    assert all(torch.equal(again[key], value) for key, value in first.items())


def test_a_network_trained_since_gets_a_bias_of_zero(theirs) -> None:
    state = theirs("robustnet_r50os16_base")
    ours = from_robustnet(state)
    ours["aux_head.conv.1.running_mean"][0] += 1
    back = to_robustnet(ours, inspect(state), folded(state))
    assert (back["dsn.0.bias"] == 0).all()
    assert torch.equal(back["dsn.1.running_mean"], ours["aux_head.conv.1.running_mean"])


def test_safetensors_hold_the_same_tensors(tmp_path: Path, theirs) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    converted = _convert(tmp_path, theirs("robustnet_r50os16_base"))
    assert main([str(converted), "--output", str(tmp_path / "weights.safetensors")]) == 0
    tensors = safetensors.load_file(tmp_path / "weights.safetensors")
    model, _, _ = load_segmenter(converted)
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensors[key], value) for key, value in model.state_dict().items())


@pytest.fixture
def refused(tmp_path: Path):
    """Saves something as a file, converts it, and returns the error's message."""

    def convert(content: object, output: str, *options: str) -> str:
        torch.save(content, tmp_path / "source.pth")
        with pytest.raises(SegibnError) as caught:
            main([str(tmp_path / "source.pth"), "--output", str(tmp_path / output), *options])
        assert not (tmp_path / output).exists() or output == "source.pth"
        return str(caught.value)

    return convert


def test_what_cannot_be_converted_is_said_with_the_files_name(refused, theirs) -> None:
    other = {"a": torch.ones(1)}
    assert "source.pth is not a segibn checkpoint" in refused(other, "x.safetensors")
    assert "is no checkpoint of RobustNet or mmsegmentation; --output x.pt does not follow" in refused(other, "x.pt")
    assert "ends in .pt, .pth or .safetensors" in refused(other, "x.ckpt")
    assert "is the file to convert" in refused(other, "source.pth")
    assert "--variant has no effect" in refused(other, "x.safetensors", "--variant", "isw")
    assert "--trained-on has no effect" in refused(other, "x.pth", "--trained-on", "gta5")
    state = theirs("robustnet_r50os16_base")
    without = {k: v for k, v in state.items() if k != "layer4.2.conv3.weight"}
    message = refused({"state_dict": without}, "x.pt")
    assert "source.pth is not RobustNet's resnet50 (base), or not the whole of it" in message
    assert "missing backbone.layer4.2.conv3.weight" in message
    shallow = {k: v for k, v in state.items() if not k.startswith("layer3.5")}
    message = refused(shallow, "x.pt")
    assert "source.pth: a RobustNet network with 5 blocks in layer3; only its" in message
    headless = {k: v for k, v in state.items() if not k.startswith("aspp.")}
    assert "source.pth: no RobustNet network, or not the whole of it: aspp.img_conv" in refused(headless, "x.pt")
    assert "source.pth: no place for extra.weight" in refused(state | {"extra.weight": torch.ones(1)}, "x.pt")
    assert "is a checkpoint of RobustNet; --output x.safetensors" in refused(state, "x.safetensors")
    few = state | {k: state[k][:3] for k in ("final2.0.weight", "final2.0.bias")}
    assert "source.pth: 3 classes" in refused(few, "x.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": {"name": "resnet18"}}, "RobustNet has no resnet18, only resnet50, resnet101"),
        ({"backbone": {"name": "resnet50", "ibn": "a"}}, "model.backbone.ibn is a, RobustNet's no"),
        ({"align_corners": False}, "model.align_corners is False, RobustNet's True"),
        ({"head": {"name": "fcn"}}, "model.head.name is fcn, RobustNet's deeplabv3plus"),
        ({"aux_head": {"channels": 8}}, "model.aux_head is not on layer3 with 512 channels"),
    ],
)
def test_a_network_that_robustnet_does_not_have_is_refused(change: dict, message: str, tmp_path: Path) -> None:
    robust = {"name": "resnet50", "ibn": "b", "output_stride": 16, "dilate_first": True}
    model = {"backbone": robust, "head": {"name": "deeplabv3plus"}, "align_corners": True} | change
    config = RunConfig.model_validate({"name": "x", "data": {"train": {"name": "gta5"}}, "model": model})
    network = build_segmenter(config.model, 19)
    classes = ClassTable("cityscapes19", CITYSCAPES.class_names, CITYSCAPES.palette.tolist())
    path = tmp_path / "ours.pt"
    save_checkpoint(path, model=network, config=config, classes=classes, iteration=1, training=None)
    with pytest.raises(CheckpointError, match=r"ours\.pt") as caught:
        main([str(path), "--output", str(tmp_path / "x.pth")])
    assert message in str(caught.value)


def test_isws_norms_have_no_weights_here_and_get_some_as_ibn(tmp_path: Path, theirs) -> None:
    state = theirs("robustnet_r50os16_isw")
    converted = _convert(tmp_path, state)
    model, config, _ = load_segmenter(converted)
    assert not config.model.backbone.ibn_affine
    assert "backbone.bn1.weight" not in model.state_dict()
    assert main([str(converted), "--output", str(tmp_path / "ibn.pth"), "--variant", "ibn"]) == 0
    ibn = plain_state(torch.load(tmp_path / "ibn.pth", weights_only=True), tmp_path)
    added = ibn.keys() - state.keys()
    assert added == {
        f"{norm}.{part}"
        for norm in ("layer0.1", "layer1.2.instance_norm_layer", "layer2.3.instance_norm_layer")
        for part in ("weight", "bias")
    }
    assert all((ibn[key] == float(key.endswith("weight"))).all() for key in added)
    # Weights of 1 and biases of 0, as earlier versions converted ISW, go back to ISW.
    (tmp_path / "affine").mkdir()
    affine = _convert(tmp_path / "affine", ibn)
    assert load_segmenter(affine)[1].model.backbone.ibn_affine
    assert main([str(affine), "--output", str(tmp_path / "isw.pth"), "--variant", "isw"]) == 0
    back = plain_state(torch.load(tmp_path / "isw.pth", weights_only=True), tmp_path)
    assert back.keys() == state.keys()


def test_weights_that_isw_cannot_hold_are_refused_with_the_files_name(tmp_path: Path, theirs) -> None:
    converted = _convert(tmp_path, theirs("robustnet_r50os16_ibn"))
    with pytest.raises(CheckpointError, match=r"converted\.pt: bn1 has a weight other than 1"):
        main([str(converted), "--output", str(tmp_path / "x.pth"), "--variant", "isw"])
