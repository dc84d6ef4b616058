import copy
from collections.abc import Iterator

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torch import nn

from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.norm_places import find_norms
from segibn.models.resnet import build
from segibn.models.share_norm import EasedInstanceNorm2d, InstanceShareNorm2d, set_iteration
from segibn.models.surgery import add_ibn, with_image_share


def _seen(network: nn.Module, pixels: int = 96, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        found = network(torch.randn(2, 3, pixels, pixels).to(dtype))
    return found["out"] if isinstance(found, dict) else found


def _lively(network: nn.Module) -> nn.Module:
    """Random norms, so that no branch is zero."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.weight, 0.5), (module.running_var, 0.5)):
                nn.init.uniform_(tensor, low, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    return network.eval()


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).abs().max() / expected.abs().max()).item()


EXPECTED = {
    "resnet18": {"a": [f"layer{s}.{b}.bn1" for s in (1, 2) for b in (0, 1)], "b": ["bn1", "layer1", "layer2"]},
    "resnet50d": {
        # The first of layer3 reads stride 8 still.
        "a": [f"layer{b}.bn1" for b in ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "3.0")],
        "b": ["conv1.1", "conv1.4", "bn1", "layer1", "layer2"],
    },
    "tf_efficientnet_lite0": {
        "a": [f"blocks.{b}.bn1" for b in ("0.0", "1.0", "1.1", "2.0", "2.1", "3.0")],
        "b": ["bn1", "blocks.1", "blocks.2"],
    },
    "regnetx_002": {"a": [f"s{s}.b1.conv1.bn" for s in (1, 2, 3)], "b": ["stem.bn", "s1", "s2"]},
    "mobilenetv3_small_100": {
        "a": [f"blocks.{b}.bn1" for b in ("0.0", "1.0", "1.1", "2.0")],
        "b": ["bn1", "blocks.0", "blocks.1"],
    },
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("kind", ["a", "b"])
def test_what_is_replaced_and_that_it_eases_in_from_the_pretrained_function(name, kind) -> None:
    network = _lively(timm.create_model(name))
    keys, expected = set(network.state_dict()), _seen(network)
    assert add_ibn(network, kind, ease=10) == EXPECTED[name][kind]
    new = set(network.state_dict()) - keys
    assert keys <= set(network.state_dict())
    assert len(new) == (4 if kind == "b" else 0)  # weight and bias after two stages
    set_iteration(network, 0)
    assert torch.equal(_seen(network), expected)
    set_iteration(network, 10)
    assert _relative(_seen(network), expected) > 1e-3


def test_a_and_b_are_those_of_the_papers_networks() -> None:
    """This package's ResNet-18 with IBN against surgery on the plain one, the same weights."""
    torch.manual_seed(0)
    plain = _lively(build("resnet18"))
    for kind in ("a", "b"):
        torch.manual_seed(0)
        ours = build("resnet18", kind, ibn_stages=(1, 2)).eval()
        cut = copy.deepcopy(plain)
        add_ibn(cut, kind)
        state = {}
        for key, value in ours.state_dict().items():
            whole, _, part = key.rpartition(".")
            norm = ours.get_submodule(whole.rpartition(".")[0])
            if isinstance(norm, InstanceBatchNorm2d):
                own = norm.instance_channels if whole.endswith("IN") else norm.batch_channels
                found = plain.state_dict()[f"{whole.rpartition('.')[0]}.{part}"]
                state[key] = found[own] if found.dim() else found
            else:
                state[key] = plain.state_dict().get(key, value)
        ours.load_state_dict(state)
        image = torch.randn(2, 3, 96, 96)
        with torch.no_grad():
            first, second = ours.step("half", image), cut.step("half", image)
            torch.testing.assert_close(second, first)
            if kind == "a":  # b's norm stands before the last ReLU there, after it here
                torch.testing.assert_close(cut(image)["layer4"], ours(image)["layer4"])


def test_every_place_of_a_network() -> None:
    found = {n.name: n for n in find_norms(timm.create_model("tf_efficientnet_lite0"))}
    assert len(found) == 49
    assert (found["bn1"].place, found["bn1"].stride) == ("stem", 2)
    places = [(found[f"blocks.1.0.bn{k}"].place, found[f"blocks.1.0.bn{k}"].stride) for k in "123"]
    assert places == [("first", 2), ("inner", 4), ("last", 4)]
    assert (found["bn2"].place, found["bn2"].stride) == ("other", 32)


def test_shortcuts_and_gates_are_no_ends_of_a_block() -> None:
    found = {n.name: n.place for n in find_norms(timm.create_model("resnet50d"))}
    assert found["layer1.0.bn3"] == "last"
    assert found["layer1.0.downsample.2"] == "inner"


def test_places_and_strides_choose() -> None:
    network = timm.create_model("tf_efficientnet_lite0")
    names = add_ibn(network, "share", finest=4, places=("stem", "last"), share=0.2)
    assert names == ["bn1", "blocks.0.0.bn2", "blocks.1.0.bn3", "blocks.1.1.bn3"]
    assert network.bn1.share.tolist() == pytest.approx([0.2] * 32)
    assert type(network.blocks[1][0].bn1) is not InstanceShareNorm2d


def test_training_mode_and_hooks_are_as_before() -> None:
    network = timm.create_model("resnet18").train()
    network.layer1.eval()
    find_norms(network)
    assert network.training
    assert network.layer2.training
    assert not network.layer1[0].bn1.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert network.bn1.num_batches_tracked == 0


@pytest.mark.parametrize("kind", ["a", "b", "share"])
def test_segmentation_networks_of_other_packages(kind: str) -> None:
    networks = {
        "torchvision": torchvision.models.segmentation.deeplabv3_resnet50(
            weights=None, weights_backbone=None, num_classes=4
        ),
        "smp": smp.Unet("mobilenet_v2", encoder_weights=None, classes=4),
    }
    for network in map(_lively, networks.values()):
        expected = _seen(network)
        assert add_ibn(network, kind, ease=4)
        set_iteration(network, 0)
        assert torch.equal(_seen(network), expected)
        set_iteration(network, 4)
        loss = network.train()(torch.randn(2, 3, 64, 64))
        loss = loss["out"] if isinstance(loss, dict) else loss
        loss.mean().backward()
        assert all(
            p.grad is not None
            for m in network.modules()
            if isinstance(m, EasedInstanceNorm2d | InstanceShareNorm2d)
            for p in m.parameters(recurse=False)
        )


def test_at_test_time_a_copy_shares_the_weights_and_leaves_the_network_alone() -> None:
    network = _lively(build("resnet18", "a"))
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        expected = network(image)["layer4"]
        copied = with_image_share(network, 0.1)
        assert _relative(copied(image)["layer4"], expected) > 1e-3
        assert torch.equal(network(image)["layer4"], expected)
    assert copied.conv1.weight is network.conv1.weight
    assert copied.layer1[0].bn1.share.tolist() == pytest.approx([1.0] * 32 + [0.1] * 32)
    fine = with_image_share(network, 0.1, finest=4)
    assert type(fine.layer1[0].bn2) is InstanceShareNorm2d
    assert isinstance(fine.layer2[0].bn1, InstanceBatchNorm2d)


def test_networks_without_batch_norms_are_refused_by_what_they_have() -> None:
    with pytest.raises(ValueError, match=r"ConvNeXt has no batch norms but .*LayerNorm"):
        add_ibn(timm.create_model("convnext_atto"), "share")
    with pytest.raises(ValueError, match="no batch norms at the places of ibn a"):
        add_ibn(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), "a")
    with pytest.raises(ValueError, match="calls all of its parts in turn"):
        add_ibn(timm.create_model("densenet121"), "b")


def _one_of_each_family() -> Iterator[str]:
    """The first network with batch norms of each of timm's modules, by length of its name."""
    for module in timm.list_modules():
        for name in sorted(timm.list_models(module=module), key=len)[:6]:
            with torch.device("meta"):
                network = timm.create_model(name)
            if any(isinstance(part, nn.BatchNorm2d) for part in network.modules()):
                yield name
                break


@pytest.mark.slow
def test_the_function_stays_in_every_family_of_timm() -> None:
    """At a share of nothing: as it is used, and in its general form (float64: some amplify)."""
    worst, general = {}, {}
    for name in _one_of_each_family():
        torch.manual_seed(0)
        network = _lively(timm.create_model(name))
        needs = network.pretrained_cfg["input_size"][-1]
        for pixels in (96, 128, needs):
            try:
                expected = _seen(network, pixels)
                names = add_ibn(network, "share", finest=None, share=0.0, pixels=pixels)
            except (RuntimeError, AssertionError):
                if pixels == needs:
                    raise
                continue
            break
        worst[name] = _relative(_seen(network, pixels), expected)
        exact = _seen(network.double(), pixels, torch.float64)
        for norm in map(network.get_submodule, names):
            norm.is_batch_norm = False
        general[name] = _relative(_seen(network, pixels, torch.float64), exact)
    assert len(worst) >= 50
    assert max(worst.values()) <= 1e-5, {k: v for k, v in worst.items() if v > 1e-5}
    assert max(general.values()) <= 1e-5, {k: v for k, v in general.items() if v > 1e-5}
