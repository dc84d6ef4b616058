"""Every classifier of IBN-Net's release: its keys, its size and its numbers."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from segibn.models import build_classifier
from segibn.models.catalog import BACKBONES, family_of

FULL = Path(__file__).parents[1] / "golden" / "models" / "full"
QUICK = ["resnet18_ibn_a", "resnet18_ibn_b", "resnet50_ibn_a", "resnet50_ibn_b"]
QUICK += ["densenet121_ibn_a", "se_resnet101_ibn_a", "resnext101_ibn_a"]
RELEASED = sorted(path.stem for path in FULL.glob("*_ibn_[ab].npz"))

# Parameters and state-dict entries of the reference implementation.
SIZES = {
    "resnet18_ibn_a": (11_689_512, 134),
    "resnet18_ibn_b": (11_689_896, 123),
    "resnet34_ibn_a": (21_797_672, 244),
    "resnet34_ibn_b": (21_798_056, 219),
    "resnet50_ibn_a": (25_557_032, 346),
    "resnet50_ibn_b": (25_558_568, 321),
    "resnet101_ibn_a": (44_549_160, 686),
    "resnet101_ibn_b": (44_550_696, 627),
    "resnet152_ibn_a": (60_192_808, 1026),
    "resnet152_ibn_b": (60_194_344, 933),
    "resnext50_ibn_a": (25_028_904, 346),
    "resnext101_ibn_a": (44_177_704, 686),
    "resnext152_ibn_a": (59_951_400, 1026),
    "se_resnet50_ibn_a": (28_071_976, 378),
    "se_resnet101_ibn_a": (49_292_328, 752),
    "se_resnet152_ibn_a": (66_770_984, 1126),
    "densenet121_ibn_a": (7_978_856, 755),
    "densenet169_ibn_a": (14_149_480, 1049),
    "densenet201_ibn_a": (20_013_928, 1251),
    "densenet161_ibn_a": (28_681_000, 1003),
}


def _noise(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).randn(*shape)).float()


def _outputs(network: nn.Module) -> dict[str, Tensor]:
    image = _noise(0, 2, 3, 64, 96)
    return {**network.forward_features(image), "logits": network(image)}


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_keys_are_as_many_as_published(name: str) -> None:
    with torch.device("meta"):
        network = build_classifier(name)
    parameters = sum(p.numel() for p in network.parameters())
    assert (parameters, len(network.state_dict())) == SIZES[name]


@pytest.mark.parametrize("name", QUICK)
@torch.no_grad()
def test_keys_shapes_and_features_are_the_published_ones(name: str, golden, filled, assert_golden) -> None:
    expected = golden(name)
    network = filled(build_classifier, name)
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode() + value.numpy().tobytes())
    assert digest.hexdigest() == expected["weights_sha256"]
    for tensor_name, tensor in _outputs(network).items():
        assert_golden(expected, tensor_name, tensor)
    # In this layout the norms take another way.
    network = network.to(memory_format=torch.channels_last)
    image = _noise(1, 1, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    assert_golden(expected, "logits_224", network(image))


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASED)
@torch.no_grad()
def test_every_stored_value_is_met(name: str, filled) -> None:
    stored = np.load(FULL / f"{name}.npz", allow_pickle=False)
    network = filled(build_classifier, name)
    outputs = _outputs(network) | {"logits_224": network(_noise(1, 1, 3, 224, 224))}
    assert {key for key in stored.files if "__" not in key} <= set(outputs)
    for key, tensor in outputs.items():
        assert tuple(tensor.shape) == tuple(stored[f"{key}__shape"])
        values = tensor.flatten()[:: int(stored[f"{key}__stride"])].numpy()
        np.testing.assert_allclose(values, stored[key], atol=1e-4, rtol=1e-4, err_msg=key)


PLAIN = ["resnet18", "resnext50", "densenet121"]
PLAIN_DEEP = ["resnet34", "resnet50", "resnet101", "resnet152"]
PLAIN_DEEP += ["densenet169", "densenet201", "densenet161"]


@pytest.mark.parametrize("name", [*PLAIN, *(pytest.param(name, marks=pytest.mark.slow) for name in PLAIN_DEEP)])
@torch.no_grad()
def test_plain_networks_are_torchvisions(name: str, filled) -> None:
    reference = filled(getattr(torchvision.models, {"resnext50": "resnext50_32x4d"}.get(name, name)))
    network = build_classifier(name).eval()
    network.load_state_dict(reference.state_dict(), strict=True)
    image = _noise(0, 1, 3, 64, 96)
    torch.testing.assert_close(network(image), reference(image), atol=1e-4, rtol=1e-4)
    assert network.state_dict().keys() == reference.state_dict().keys()  # and back, strictly


@pytest.mark.parametrize("network", [name for name in BACKBONES if "a" in family_of(name).ibn])
def test_a_plain_network_and_its_a_variant_have_the_same_number_of_parameters(network: str) -> None:
    with torch.device("meta"):
        plain, split = build_classifier(network), build_classifier(f"{network}_ibn_a")
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in split.parameters())


def test_unknown_networks_and_variants_are_refused() -> None:
    with pytest.raises(ValueError, match="known: resnet18"):
        build_classifier("resnet20")
    with pytest.raises(ValueError, match="ad and a2, not z"):
        build_classifier("resnet50_ibn_z")
    with pytest.raises(ValueError, match="has ibn none and a, not b"):
        build_classifier("densenet121_ibn_b")
    with pytest.raises(ValueError, match="has ibn none and b, not a"):
        build_classifier("shufflenet_v2_ibn_a")
