import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.models.kernels import pointwise
from segibn.models.kernels.pointwise import PointwiseConv2d


def _images(channels: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, channels, 9, 7, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.fixture(autouse=True)
def _product_for_any_size(monkeypatch) -> None:
    monkeypatch.setattr(pointwise, "_WORTHWHILE", 0)


def _gradients(layer: nn.Module, x: Tensor, upstream: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = layer(x)
    out.backward(upstream.to(out.dtype))
    return [out.detach(), x.grad, layer.weight.grad]


@pytest.mark.parametrize("frozen_input", [False, True])
def test_bfloat16_result_and_gradients_equal_the_double_precision_formula(frozen_input) -> None:
    layer, x, upstream = PointwiseConv2d(32, 24).bfloat16(), _images(32, 0), _images(24, 1)
    x, upstream = x.bfloat16().requires_grad_(not frozen_input), upstream.bfloat16()
    out = layer(x)
    assert type(out.grad_fn).__name__ == "_PointwiseBackward"
    out.backward(upstream)
    matrix = layer.weight.detach().double()[:, :, 0, 0]
    pixels, slopes = x.detach().double(), upstream.double()
    expected = [
        (out, torch.einsum("oc,nchw->nohw", matrix, pixels)),
        (layer.weight.grad[:, :, 0, 0], torch.einsum("nohw,nchw->oc", slopes, pixels)),
    ]
    if not frozen_input:
        expected.append((x.grad, torch.einsum("oc,nohw->nchw", matrix, slopes)))
        assert x.grad.is_contiguous(memory_format=torch.channels_last)
    for ours, theirs in expected:
        # A bfloat16 has eight bits: half a unit of the last is 2 ** -9 of the number.
        difference = (ours.double() - theirs).abs()
        assert (difference <= 2**-8 * theirs.abs() + 1e-4 * theirs.abs().max()).all()


def test_autocast_gives_float32_weights_the_gradient_of_a_plain_convolution() -> None:
    layer, x, upstream = PointwiseConv2d(16, 8), _images(16, 0), _images(8, 1)
    plain = nn.Conv2d(16, 8, 1, bias=False)
    plain.load_state_dict(layer.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = (_gradients(module, x, upstream) for module in (layer, plain))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == other.dtype
        torch.testing.assert_close(mine.float(), other.float(), atol=0.05, rtol=0.02)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_float32_is_torchs_own_convolution(layout) -> None:
    layer, x, upstream = PointwiseConv2d(16, 8), _images(16, 0), _images(8, 1)
    x = x.contiguous(memory_format=layout)
    plain = nn.Conv2d(16, 8, 1, bias=False)
    plain.load_state_dict(layer.state_dict())
    pairs = zip(_gradients(layer, x, upstream), _gradients(plain, x, upstream), strict=True)
    assert all(torch.equal(mine, other) for mine, other in pairs)


def test_frozen_weights_and_evaluation_keep_no_graph() -> None:
    layer, x = PointwiseConv2d(16, 8).bfloat16(), _images(16, 0).bfloat16()
    with torch.no_grad():
        assert not layer(x).requires_grad
    layer.requires_grad_(False)
    assert not layer(x).requires_grad
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight))
