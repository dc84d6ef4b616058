"""Depthwise convolutions in bfloat16 on a CPU have gradients of float32's accuracy; nothing else changes."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.engine.precision import autocast
from segibn.models.kernels.depthwise_gradients import DepthwiseGradientsInFloat32

CPU = torch.device("cpu")


def _map(channels: int, seed: int = 0) -> Tensor:
    x = torch.randn(2, channels, 9, 12, generator=torch.Generator().manual_seed(seed))
    return x.bfloat16().contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("options", [{"stride": 1}, {"stride": 2}, {"stride": (1, 2), "dilation": 2}])
@pytest.mark.parametrize("size", [3, 5])
def test_gradients_are_those_of_the_same_numbers_in_float64(size: int, options: dict[str, object]) -> None:
    x, weight = _map(16).requires_grad_(), (0.2 * torch.randn(16, 1, size, size)).requires_grad_()
    with autocast(torch.bfloat16, CPU):
        out = F.conv2d(x, weight, padding=size // 2, groups=16, **options)
    upstream = _map(16, 1)[:, :, : out.shape[2], : out.shape[3]]
    found = torch.autograd.grad(out, (x, weight), upstream)
    exact, kernel = x.detach().double().requires_grad_(), weight.detach().bfloat16().double().requires_grad_()
    expected_out = F.conv2d(exact, kernel, padding=size // 2, groups=16, **options)
    expected = torch.autograd.grad(expected_out, (exact, kernel), upstream.double())
    torch.testing.assert_close(out.double(), expected_out, rtol=2**-7, atol=0.02)
    torch.testing.assert_close(found[0].double(), expected[0], rtol=2**-8, atol=1e-3)
    assert found[1].dtype == torch.float32
    torch.testing.assert_close(found[1].double(), expected[1], rtol=1e-5, atol=1e-4)


def test_other_convolutions_and_layouts_are_left_to_torch() -> None:
    for layer, x in (
        (nn.Conv2d(16, 16, 3, groups=16, bias=False), _map(16).contiguous()),
        (nn.Conv2d(16, 16, 3, groups=16), _map(16)),
        (nn.Conv2d(16, 32, 3, groups=16, bias=False), _map(16)),
        (nn.Conv2d(16, 16, 3, padding="same", groups=16, bias=False), _map(16)),
        (nn.Conv2d(16, 8, 1), _map(16)),
    ):
        layer = layer.bfloat16().to(memory_format=torch.channels_last)
        with DepthwiseGradientsInFloat32():
            name = type(layer(x).grad_fn).__name__
        assert name == type(layer(x).grad_fn).__name__
        assert "Convolution" in name


def test_it_is_on_in_a_training_in_bfloat16_alone() -> None:
    layer, x = nn.Conv2d(16, 16, 3, groups=16, bias=False).to(memory_format=torch.channels_last), _map(16).float()
    names = []
    for dtype in (torch.bfloat16, torch.float32):
        with autocast(dtype, CPU):
            names.append(type(layer(x).grad_fn).__name__)
    assert names == ["_DepthwiseBackward", "ConvolutionBackward0"]


def test_a_compiled_network_computes_the_same() -> None:
    layer = nn.Sequential(nn.Conv2d(16, 16, 3, groups=16, bias=False), nn.ReLU()).to(memory_format=torch.channels_last)
    compiled = torch.compile(layer, backend="aot_eager")
    results = []
    for network in (layer, compiled):
        layer.zero_grad()
        with autocast(torch.bfloat16, CPU):
            out = network(_map(16).float().requires_grad_())
        out.sum().backward()
        results.append((out, layer[0].weight.grad))
    torch.testing.assert_close(*(out for out, _ in results))
    torch.testing.assert_close(*(grad for _, grad in results), rtol=0.02, atol=0.5)
