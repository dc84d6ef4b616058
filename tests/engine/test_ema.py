"""The moving average of weights against a NumPy recursion, and its resume."""

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

from segibn.engine.ema import WeightAverage


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 2, 1))


def train_a_step(model: nn.Module, seed: int) -> None:
    """Change the weights, and the running statistics by a forward pass."""
    torch.manual_seed(seed)
    model.train()(torch.randn(2, 3, 8, 8))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))


@pytest.mark.parametrize("decay", [0.999, 0.15])
def test_average_is_that_of_a_numpy_recursion(decay: float) -> None:
    model = small_network()
    ema = WeightAverage(model, decay)
    expected = {name: value.numpy().astype(float) for name, value in model.state_dict().items()}
    for n in range(20):
        train_a_step(model, n)
        ema.update(model)
        kept = min(decay, (1 + n) / (10 + n))
        for name, value in model.state_dict().items():
            new = value.numpy().astype(float)
            if "num_batches" not in name:
                new = kept * expected[name] + (1 - kept) * new
            expected[name] = new
    averaged = ema.model.state_dict()
    assert averaged.keys() == expected.keys()
    assert averaged["1.num_batches_tracked"] == 20
    for name, value in averaged.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=2e-5, atol=2e-6)
    assert not torch.equal(averaged["1.running_var"], model.state_dict()["1.running_var"])


def test_resumed_average_is_bit_identical() -> None:
    model = small_network()
    whole = WeightAverage(model, 0.9)
    for n in range(4):
        train_a_step(model, n)
        whole.update(model)
    file = io.BytesIO()
    torch.save((whole.model.state_dict(), whole.updates), file)
    file.seek(0)
    torch.manual_seed(9)
    resumed = WeightAverage(copy.deepcopy(model), 0.9)
    weights, resumed.updates = torch.load(file, weights_only=True)
    resumed.model.load_state_dict(weights)
    for n in range(4, 8):
        train_a_step(model, n)
        whole.update(model)
        resumed.update(model)
    assert resumed.updates == whole.updates == 8
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_average_is_apart_from_training() -> None:
    model = small_network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    ema = WeightAverage(model, 0.9)
    ema.update(model)
    assert torch.equal(torch.get_rng_state(), random_state)  # dropout draws what it would have
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.data_ptr() != ema.model.state_dict()[name].data_ptr()
    assert model.training
    assert not any(module.training for module in ema.model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())


def test_channels_last_weights_are_averaged_in_place() -> None:
    model = small_network().to(memory_format=torch.channels_last)
    ema = WeightAverage(model, 0.9)
    pointers = [parameter.data_ptr() for parameter in ema.model.parameters()]
    train_a_step(model, 0)
    expected = 0.1 * ema.model[0].weight + 0.9 * model[0].weight
    ema.update(model)
    torch.testing.assert_close(ema.model[0].weight, expected.detach(), check_stride=True)
    assert [parameter.data_ptr() for parameter in ema.model.parameters()] == pointers


@pytest.mark.gpu
def test_update_does_not_wait_for_the_device() -> None:
    model = small_network().cuda()
    ema = WeightAverage(model, 0.9)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        ema.update(model)
    finally:
        torch.cuda.set_sync_debug_mode("default")
