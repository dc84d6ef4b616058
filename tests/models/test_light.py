"""MobileNetV2 and ShuffleNetV2 against torchvision's, and RobustNet's places of instance norms."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from segibn.export.writing import TOLERANCE, export
from segibn.models import build_backbone, build_classifier
from segibn.models.catalog import FAMILIES
from segibn.models.heads.fcn import FCNHead
from segibn.models.segmenter import Segmenter

LIGHT = next(family.names for family in FAMILIES if family.module == "light")
THEIRS = {"mobilenet_v2": "mobilenet_v2", "shufflenet_v2": "shufflenet_v2_x1_0"}
# Key in our network -> channels: RobustNet, network/Mobilenet.py and Shufflenet.py, `wt_layer
# 0 0 4 4 4 0 0`.
NORMS = {
    "mobilenet_v2": {"features.1.IN": 16, "features.6.IN": 32, "features.10.IN": 64},
    "shufflenet_v2": {"conv1.1": 24, "stage2.3.IN": 116, "stage3.7.IN": 232},
}


def _image(*size: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(0).randn(2, 3, *size)).float()


def _reference(name: str) -> Callable[[], nn.Module]:
    return getattr(torchvision.models, THEIRS[name])


@pytest.mark.parametrize("name", LIGHT)
@torch.no_grad()
def test_plain_light_networks_are_torchvisions(name: str, filled) -> None:
    reference = filled(_reference(name))
    network = build_classifier(name).eval()
    assert list(network.state_dict()) == list(reference.state_dict())
    network.load_state_dict(reference.state_dict(), strict=True)
    expected = reference(_image(64, 96))
    assert expected.std() > 0.1
    torch.testing.assert_close(network(_image(64, 96)), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", LIGHT)
def test_sizes_are_the_published_ones_and_b_adds_its_norms(name: str) -> None:
    weights = torchvision.models.get_model_weights(THEIRS[name]).IMAGENET1K_V1
    with torch.device("meta"):
        plain, b = build_classifier(name), build_classifier(f"{name}_ibn_b")
    added = sum(2 * count for key, count in NORMS[name].items() if key.endswith("IN"))
    sizes = [sum(p.numel() for p in network.parameters()) for network in (plain, b)]
    assert sizes == [weights.meta["num_params"], weights.meta["num_params"] + added]
    found = {n: m.num_features for n, m in b.named_modules() if isinstance(m, nn.InstanceNorm2d)}
    assert found == NORMS[name]


def _torch_norm(state: Mapping[str, Tensor], key: str) -> nn.InstanceNorm2d:
    weight, bias = state[f"{key}.weight"], state[f"{key}.bias"]
    norm = nn.InstanceNorm2d(len(weight), affine=True)
    norm.load_state_dict({"weight": weight, "bias": bias})
    return norm


def _with_norms(name: str, state: Mapping[str, Tensor]) -> nn.Module:
    """torchvision's network with torch's instance norms between its parts."""
    network = _reference(name)()
    norms = {key: _torch_norm(state, key) for key in NORMS[name]}
    network.load_state_dict({k: v for k, v in state.items() if ".IN." not in k}, strict=False)
    if name == "mobilenet_v2":
        for number in (1, 6, 10):
            norm = norms[f"features.{number}.IN"]
            network.features[number] = nn.Sequential(network.features[number], norm)
    else:
        network.conv1[1] = norms["conv1.1"]
        network.stage2 = nn.Sequential(network.stage2, norms["stage2.3.IN"])
        network.stage3 = nn.Sequential(network.stage3, norms["stage3.7.IN"])
    return network.eval()


@pytest.mark.parametrize("name", LIGHT)
@torch.no_grad()
def test_b_is_torchvisions_network_with_three_instance_norms(name: str, filled) -> None:
    network = filled(build_classifier, f"{name}_ibn_b")
    image = _image(64, 96)
    expected = _with_norms(name, network.state_dict())(image)
    torch.testing.assert_close(network(image), expected, atol=1e-5, rtol=1e-5)
    plain = filled(build_classifier, name)
    assert (plain(image) - expected).abs().max() > 0.01


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", LIGHT)
@torch.no_grad()
def test_a_dilated_light_network_contains_the_strided_one(name: str, output_stride: int, filled) -> None:
    # At 8 the third instance norm sees more places than the strided network's: plain there.
    ibn = "b" if output_stride == 16 else "none"
    strided = filled(build_backbone, name, ibn)
    dilated = filled(build_backbone, name, ibn, output_stride)
    image = _image(65, 97)
    sparse, dense = strided(image), dilated(image)
    for layer, spec in strided.feature_specs.items():
        step = spec.stride // dilated.feature_specs[layer].stride
        torch.testing.assert_close(dense[layer][..., ::step, ::step], sparse[layer], atol=1e-5, rtol=1e-5)
    assert dense["layer4"].shape[-2:] == (-(-65 // output_stride), -(-97 // output_stride))


@pytest.mark.parametrize("name", LIGHT)
@torch.no_grad()
def test_layout_changes_no_feature_and_is_kept(name: str, filled) -> None:
    network = filled(build_backbone, name, "b", 16)
    image = _image(64, 96)
    expected = network(image)
    network = network.to(memory_format=torch.channels_last)
    found = network(image.contiguous(memory_format=torch.channels_last))
    for layer, feature in found.items():
        torch.testing.assert_close(feature, expected[layer], atol=1e-4, rtol=1e-4)
        assert feature.is_contiguous(memory_format=torch.channels_last), layer


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT)
def test_light_networks_can_be_exported(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name, "b", 16)
    model = Segmenter(backbone, FCNHead(backbone.feature_specs, 3, channels=4)).eval()
    nn.init.normal_(model.head.classifier.weight)
    assert export(model, tmp_path / "model.pt2") <= TOLERANCE
