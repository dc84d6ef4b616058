"""Backbones in the forms of other toolkits: the same numbers, at the strides that are promised."""

import copy
import sys

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
from torchvision.models.segmentation.fcn import FCNHead

import segibn
from segibn import adapters
from segibn.errors import CheckpointError, ConfigError
from segibn.models import build_backbone

SMALL = ["resnet18_ibn_a", "resnet18_ibn_b", "densenet121_ibn_a"]
SMALL += ["mobilenet_v2_ibn_b", "shufflenet_v2_ibn_b", "resnet18"]


@pytest.fixture(scope="module")
def smp():
    module = pytest.importorskip("segmentation_models_pytorch", reason="needs smp")
    adapters.register_smp()
    return module


@pytest.fixture(scope="module")
def timm():
    module = pytest.importorskip("timm", reason="needs timm")
    adapters.register_timm()
    return module


def _image(size: int = 64, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def _twin(name: str, backbone: nn.Module, output_stride: int) -> nn.Module:
    """A backbone of ours, built directly, with the weights of one inside an adapter."""
    network, _, ibn = name.partition("_ibn_")
    twin = build_backbone(network, ibn or "none", output_stride)
    twin.load_state_dict(backbone.state_dict())
    return twin.eval()


@pytest.mark.parametrize(("name", "output_stride"), [*((name, 8) for name in SMALL), ("resnet18_ibn_a", 32)])
@torch.no_grad()
def test_a_feature_list_is_the_backbone_and_what_its_info_says(name: str, output_stride) -> None:
    features = adapters.FeatureList(name, output_stride=output_stride).eval()
    twin = _twin(name, features.backbone, output_stride)
    found, expected = features(_image()), twin(_image())
    for feature, direct in zip(found[1:], expected.values(), strict=True):
        assert torch.equal(feature, direct)
    info = features.feature_info
    assert info.channels()[1:] == [spec.channels for spec in twin.feature_specs.values()]
    assert info.reduction() == [2, *(spec.stride for spec in twin.feature_specs.values())]
    assert info.reduction()[-1] == output_stride
    for feature, channels, stride in zip(found, info.channels(), info.reduction(), strict=True):
        assert feature.shape == (2, channels, 64 // stride, 64 // stride)


def test_a_part_of_the_levels_needs_no_more_of_the_network() -> None:
    features = adapters.FeatureList("resnet18_ibn_a", out_indices=(1, -3))
    assert features.feature_info.module_name() == ["layer1", "layer2"]
    assert (features.feature_info.channels(3), len(features.feature_info)) == (256, 5)
    sum(feature.sum() for feature in features(_image())).backward()
    assert all(parameter.grad is not None for parameter in features.parameters())
    with pytest.raises(ValueError, match="there are levels 0 to 4"):
        adapters.FeatureList("resnet18_ibn_a", out_indices=(5,))
    with pytest.raises(ValueError, match="sees RGB, 3 channels"):
        adapters.FeatureList("resnet18_ibn_a", in_chans=4)


def test_timm_makes_our_features_by_its_own_names(timm) -> None:
    network = timm.create_model(
        "resnet18_ibn_b.segibn", features_only=True, out_indices=(2, 4), output_stride=16
    ).eval()
    theirs = timm.create_model("resnet18", features_only=True, out_indices=(2, 4), output_stride=16)
    for question in ("channels", "reduction"):
        ask = (getattr(model.feature_info, question)() for model in (network, theirs))
        assert next(ask) == next(ask)
    twin = _twin("resnet18_ibn_b", network.backbone, 16)
    with torch.no_grad():
        found, expected = network(_image()), twin(_image())
    assert torch.equal(found[0], expected["layer2"])
    assert torch.equal(found[1], expected["layer4"])
    assert timm.create_model("resnet18_ibn_a", num_classes=7)(_image()).shape == (2, 7)
    assert {"resnet50_ibn_a", "mobilenet_v2_ibn_b"} <= set(timm.list_models("*_ibn_*"))
    assert adapters.register_timm() == adapters.register_timm()
    with pytest.raises(ValueError, match="has the tag 'segibn', not 'in1k'"):
        timm.create_model("resnet18_ibn_a.in1k")
    with pytest.raises(ValueError, match="images of 3 channels"):
        timm.create_model("resnet18_ibn_a", in_chans=1)


def _loss(output: Tensor) -> Tensor:
    target = torch.arange(output[0, 0].numel()).reshape(output[0, 0].shape) % output.shape[1]
    return nn.functional.cross_entropy(output, target.expand(len(output), -1, -1))


def _step(network: nn.Module, compute) -> tuple[float, float, list[str]]:
    """One step of plain descent: loss before, after, and parameters that stayed as they were."""
    before = copy.deepcopy(dict(network.named_parameters()))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-2)
    loss = compute()
    loss.backward()
    optimizer.step()
    same = [name for name, p in network.named_parameters() if torch.equal(p, before[name])]
    return float(loss.detach()), float(compute().detach()), same


def test_torchvisions_deeplabv3_trains_on_a_feature_dict() -> None:
    torch.manual_seed(0)
    backbone = adapters.FeatureDict("resnet18_ibn_a", output_stride=8)
    specs = backbone.feature_specs
    assert {key: spec.stride for key, spec in specs.items()} == {"out": 8, "aux": 8}
    network = DeepLabV3(backbone, DeepLabHead(specs["out"].channels, 19), FCNHead(specs["aux"].channels, 19)).train()
    image = _image()

    def compute() -> Tensor:
        torch.manual_seed(1)  # the same dropout
        output = network(image)
        return _loss(output["out"]) + 0.4 * _loss(output["aux"])

    before, after, same = _step(network, compute)
    assert after < before
    assert same == []


@torch.no_grad()
def test_a_feature_dict_is_the_backbone_by_other_names() -> None:
    layers = {"layer3": "aux", "layer1": "low", "layer4": "out"}
    adapter = adapters.FeatureDict("resnet18_ibn_b", output_stride=16, return_layers=layers)
    found = adapter.eval()(_image())
    expected = _twin("resnet18_ibn_b", adapter.backbone, 16)(_image())
    assert list(found) == ["aux", "low", "out"]
    assert all(torch.equal(found[new], expected[old]) for old, new in layers.items())
    with pytest.raises(ValueError, match=r"\['layer5'\]: the features are half, layer1"):
        adapters.FeatureDict("resnet18", return_layers={"layer5": "out"})


def test_a_detector_of_torchvision_stands_on_a_pyramid() -> None:
    body = adapters.with_fpn("resnet18_ibn_a", out_channels=32)
    with torch.no_grad():
        shapes = {key: tuple(value.shape) for key, value in body.eval()(_image(128)).items()}
    sides = {"0": 32, "1": 16, "2": 8, "3": 4, "pool": 2}
    assert shapes == {key: (2, 32, side, side) for key, side in sides.items()}
    detector = FasterRCNN(body, num_classes=4, min_size=64, max_size=64).train()
    target = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
    losses = detector(list(_image()), [target, target])
    sum(losses.values()).backward()
    assert body.body.backbone.conv1.weight.grad.abs().sum() > 0


def test_a_unet_of_smp_trains_every_weight_of_our_encoder(smp) -> None:
    torch.manual_seed(0)
    network = smp.Unet("segibn-resnet18_ibn_a", encoder_weights=None, classes=5).train()
    image = _image()
    before, after, same = _step(network, lambda: _loss(network(image)))
    assert after < before
    assert same == []


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_an_encoder_of_smp_is_the_backbone_at_every_depth(smp, name: str) -> None:
    for depth, stride in ((5, 32), (5, 8), (3, 32)):
        encoder = smp.encoders.get_encoder(f"segibn-{name}", weights=None, depth=depth, output_stride=stride).eval()
        found = encoder(_image())
        assert [feature.shape[1] for feature in found] == encoder.out_channels
        assert len(found) == depth + 1
        sides = [64 // min(2**level, stride) for level in range(depth + 1)]
        assert [feature.shape[-1] for feature in found] == sides
        if depth == 5:
            expected = list(_twin(name, encoder.backbone, stride)(_image()).values())
            assert all(torch.equal(a, b) for a, b in zip(found[2:], expected, strict=True))


@torch.no_grad()
def test_smp_changes_the_number_of_input_channels_by_its_own_rule(smp, tmp_path) -> None:
    network = smp.Unet("segibn-resnet18_ibn_a", encoder_weights=None, in_channels=4).eval()
    assert network(_image(channels=4)).shape == (2, 1, 64, 64)
    assert network.encoder.out_channels[0] == 4
    with pytest.raises(ValueError, match="this encoder has 4"):
        network.encoder.load_weights("torchvision")


@pytest.mark.parametrize("depth", [5, 3])
def test_weights_of_a_file_fill_the_encoder(smp, tmp_path, depth: int) -> None:
    state = segibn.backbone("resnet18_ibn_a").state_dict()
    torch.save(state, tmp_path / "w.pth")
    network = smp.Unet(
        "segibn-resnet18_ibn_a",
        encoder_weights=None,
        encoder_depth=depth,
        decoder_channels=(64, 48, 32, 24, 16)[:depth],
    )
    report = network.encoder.load_weights(str(tmp_path / "w.pth"))
    assert report.fresh == ()
    own = network.encoder.backbone.state_dict()
    assert len(own) < len(state) if depth == 3 else len(own) == len(state)
    assert all(torch.equal(value, state[key]) for key, value in own.items())
    with pytest.raises(CheckpointError, match=r"gone\.pth is no file"):
        network.encoder.load_weights(str(tmp_path / "gone.pth"))
    with pytest.raises(ConfigError, match=r"model\.encoder\.load_weights"):
        smp.Unet("segibn-resnet18_ibn_a", encoder_weights="imagenet")


@pytest.mark.parametrize(
    ("package", "register", "line"),
    [
        ("timm", "register_timm", "pip install timm"),
        ("segmentation_models_pytorch", "register_smp", "pip install segmentation-models-pytorch"),
    ],
)
def test_a_toolkit_that_is_not_installed_is_named_with_its_line(
    monkeypatch, package: str, register: str, line: str
) -> None:
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_Without(package), *sys.meta_path])
    with pytest.raises(ConfigError, match=line):
        getattr(adapters, register)()


class _Without:
    """An import system that does not have a package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named '{name}'")
