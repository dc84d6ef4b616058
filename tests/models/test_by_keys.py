"""Networks without golden numbers, against the plainest reading of their state dicts.

Below, a state dict alone says what is computed: a key that is there is a layer that is there. The
reading is held to the golden numbers of networks that have them, then to this package's for the
others.
"""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.models import build_classifier

State = Mapping[str, Tensor]


def _conv(state: State, name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, groups)


def _norm(state: State, name: str, x: Tensor, *, batch_first: bool = False) -> Tensor:
    if f"{name}.IN.weight" in state:
        halves = ("BN", "IN") if batch_first else ("IN", "BN")
        counts = [state[f"{name}.{half}.weight"].shape[0] for half in halves]
        parts = zip(halves, x.split(counts, dim=1), strict=True)
        return torch.cat([_norm(state, f"{name}.{half}", part) for half, part in parts], dim=1)
    affine = state[f"{name}.weight"], state[f"{name}.bias"]
    if f"{name}.running_mean" in state:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, variance, *affine)
    return F.instance_norm(x, None, None, *affine)


def _block(state: State, name: str, x: Tensor, stride: int, groups: int) -> Tensor:
    def layer(number: int, out: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        out = _conv(state, f"{name}.conv{number}", out, stride, groups)
        return _norm(state, f"{name}.bn{number}", out)

    if f"{name}.conv3.weight" in state:
        out = layer(2, F.relu(layer(1, x)), stride, groups)
        out = layer(3, F.relu(out))
    else:
        out = layer(2, F.relu(layer(1, x, stride)))
    if f"{name}.se.fc.0.weight" in state:
        hidden = F.relu(out.mean((2, 3)) @ state[f"{name}.se.fc.0.weight"].T)
        out = out * torch.sigmoid(hidden @ state[f"{name}.se.fc.2.weight"].T)[:, :, None, None]
    if f"{name}.downsample.0.weight" in state:
        x = _conv(state, f"{name}.downsample.0", x, stride)
        x = _norm(state, f"{name}.downsample.1", x)
    out = out + x
    if f"{name}.IN.weight" in state:
        out = F.instance_norm(out, None, None, state[f"{name}.IN.weight"], state[f"{name}.IN.bias"])
    return F.relu(out)


def _residual(state: State, image: Tensor, groups: int) -> Tensor:
    x = F.relu(_norm(state, "bn1", _conv(state, "conv1", image, 2)))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in (1, 2, 3, 4):
        index = 0
        while f"layer{stage}.{index}.conv1.weight" in state:
            stride = 2 if stage > 1 and index == 0 else 1
            x = _block(state, f"layer{stage}.{index}", x, stride, groups)
            index += 1
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


def _dense(state: State, image: Tensor) -> Tensor:
    x = F.relu(_norm(state, "features.norm0", _conv(state, "features.conv0", image, 2)))
    x = F.max_pool2d(x, 3, 2, 1)
    for number in (1, 2, 3, 4):
        layer = 1
        while f"features.denseblock{number}.denselayer{layer}.conv1.weight" in state:
            name = f"features.denseblock{number}.denselayer{layer}"
            new = F.relu(_norm(state, f"{name}.norm1", x, batch_first=True))
            new = F.relu(_norm(state, f"{name}.norm2", _conv(state, f"{name}.conv1", new)))
            x = torch.cat([x, _conv(state, f"{name}.conv2", new)], dim=1)
            layer += 1
        if number < 4:
            name = f"features.transition{number}"
            x = F.avg_pool2d(_conv(state, f"{name}.conv", F.relu(_norm(state, f"{name}.norm", x))), 2)
    x = F.relu(_norm(state, "features.norm5", x))
    return x.mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]


def _read(name: str, state: State, image: Tensor) -> Tensor:
    if name.startswith("densenet"):
        return _dense(state, image)
    return _residual(state, image, groups=32 if name.startswith("resnext") else 1)


def _noise() -> Tensor:
    return torch.from_numpy(np.random.RandomState(0).randn(2, 3, 64, 96)).float()


def _slow(*names: str) -> list:
    return [pytest.param(name, marks=pytest.mark.slow) for name in names]


GOLDEN = ["resnet18_ibn_b", "densenet121_ibn_a"]
GOLDEN += _slow("resnet50_ibn_a", "resnext101_ibn_a", "se_resnet101_ibn_a")


@pytest.mark.parametrize("name", GOLDEN)
@torch.no_grad()
def test_the_reading_of_the_keys_gives_the_published_numbers(name: str, golden, filled, assert_golden) -> None:
    state = filled(build_classifier, name).state_dict()  # the published one, by its hash elsewhere
    assert_golden(golden(name), "logits", _read(name, state, _noise()))


OTHERS = ["resnet34_ibn_b", "resnext50_ibn_a", "se_resnet50_ibn_a"]
OTHERS += _slow("resnet152_ibn_b", "densenet161_ibn_a", "densenet201_ibn_a")


@pytest.mark.parametrize("name", OTHERS)
@torch.no_grad()
def test_networks_without_golden_numbers_compute_what_their_keys_say(name: str, filled) -> None:
    network = filled(build_classifier, name)
    expected = _read(name, network.state_dict(), _noise())
    torch.testing.assert_close(network(_noise()), expected, atol=1e-4, rtol=1e-4)
