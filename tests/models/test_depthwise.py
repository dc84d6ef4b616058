import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.models.kernels.depthwise import DepthwiseConv2d, sorted_convolution

# (h, w), dilation: grids of several, two and single pixels; dilations that reach nothing.
CASES = [((12, 12), 4), ((13, 10), 3), ((7, 11), 5), ((7, 11), 7), ((5, 11), 8), ((11, 5), 8), ((6, 6), 9), ((1, 1), 2)]


def _input(size: tuple[int, int], channels: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, channels, *size, generator=generator).to(dtype)
    return x.contiguous(memory_format=torch.channels_last)


def _by_double_loop(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """The definition: the padded map, shifted by each pixel of the kernel, weighted, added."""
    height, width = x.shape[2:]
    padded = F.pad(x.double(), (dilation,) * 4)
    out = torch.zeros_like(x, dtype=torch.float64)
    for i in range(3):
        for j in range(3):
            top, left = i * dilation, j * dilation
            part = padded[:, :, top : top + height, left : left + width]
            out = out + weight.double()[:, 0, i, j][:, None, None] * part
    return out


def _with_gradients(function, x: Tensor, weight: Tensor) -> list[Tensor]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    out = function(x, weight)
    upstream = _input(x.shape[2:], x.shape[1], torch.bfloat16, seed=1).to(out.dtype)
    return [out, *torch.autograd.grad(out, (x, weight), upstream)]


@pytest.mark.parametrize(("size", "dilation"), CASES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)]
)
def test_result_and_gradients_equal_the_definition(size, dilation, dtype, tolerance) -> None:
    channels = 24
    layer = DepthwiseConv2d(channels, dilation).to(dtype)
    x, weight = _input(size, channels, dtype), layer.weight.detach()

    def ours(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    expected = _with_gradients(lambda x, w: _by_double_loop(x, w, dilation), x, weight)
    actual = _with_gradients(ours, x, weight)
    for theirs, mine in zip(expected, actual, strict=True):
        scale = theirs.abs().max().item()
        torch.testing.assert_close(mine.double(), theirs.double(), atol=tolerance * scale, rtol=0)
        assert mine.dtype == dtype
    assert actual[0].is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_weights_get_the_right_gradient_at_the_sizes_of_an_aspp() -> None:
    # torch 2.14's own dilated depthwise convolution fails this, channels-last, by 100 %.
    channels = 64
    layer = DepthwiseConv2d(channels, 6).bfloat16()
    x = _input((32, 32), channels, torch.bfloat16)
    upstream = _input((32, 32), channels, torch.bfloat16, seed=1)
    layer(x).backward(upstream)
    weight = layer.weight.detach().double().requires_grad_()
    _by_double_loop(x, weight, 6).backward(upstream.double())
    difference = (layer.weight.grad.double() - weight.grad).abs().max()
    assert difference < 0.01 * weight.grad.abs().max()


def test_pieces_of_many_channels_add_up(monkeypatch) -> None:
    from segibn.models.kernels import depthwise

    monkeypatch.setattr(depthwise, "_PIECE", 0)  # as many pieces as there can be
    channels = 2 * depthwise._MIN_CHANNELS + 8
    layer = DepthwiseConv2d(channels, 4).double()
    x, weight = _input((9, 6), channels, torch.float64), layer.weight.detach()
    expected = _with_gradients(lambda x, w: _by_double_loop(x, w, 4), x, weight)
    actual = _with_gradients(lambda x, w: torch.func.functional_call(layer, {"weight": w}, (x,)), x, weight)
    for theirs, mine in zip(expected, actual, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=0)


def test_the_form_for_compilers_has_the_same_gradients() -> None:
    x, weight = _input((13, 10), 8, torch.float64), torch.randn(8, 1, 3, 3).double()
    expected = _with_gradients(lambda x, w: _by_double_loop(x, w, 3), x, weight)
    actual = _with_gradients(lambda x, w: sorted_convolution(x, w, 3), x, weight)
    for theirs, mine in zip(expected, actual, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=0)


def test_autocast_computes_in_bfloat16_and_trains_float32_weights() -> None:
    layer = DepthwiseConv2d(8, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(_input((9, 9), 8, torch.float32))
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_parameters_are_those_of_a_grouped_convolution(layout) -> None:
    layer = DepthwiseConv2d(6, 2)
    plain = torch.nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6, bias=False)
    plain.load_state_dict(layer.state_dict())
    x = _input((9, 9), 6, torch.float32).contiguous(memory_format=layout)
    torch.testing.assert_close(layer(x), plain(x.contiguous()))


@pytest.mark.slow
def test_a_compiled_layer_has_the_same_gradients() -> None:
    layer = DepthwiseConv2d(16, 4).bfloat16()
    x, weight = _input((18, 13), 16, torch.bfloat16), layer.weight.detach()
    expected = _with_gradients(lambda x, w: _by_double_loop(x, w, 4), x, weight)
    x = x.clone().requires_grad_()
    out = torch.compile(layer)(x)
    out.backward(_input((18, 13), 16, torch.bfloat16, seed=1))
    for theirs, mine in zip(expected, (out, x.grad, layer.weight.grad), strict=True):
        difference = (mine.double() - theirs.double()).abs().max()
        assert difference < 0.01 * theirs.abs().max()
