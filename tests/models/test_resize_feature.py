import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.models.kernels.resize import resize_feature

# Factors 4, 3 x 5/2, 16/9 x 1, smaller, and from a single pixel.
SIZES = [((6, 5), (24, 20)), ((4, 6), (12, 15)), ((9, 7), (16, 7)), ((8, 8), (5, 3)), ((1, 1), (4, 6))]


def _both(
    x: Tensor, size: tuple[int, int], align_corners: bool, channels: slice = slice(None)
) -> tuple[list[Tensor], list[Tensor]]:
    """Result and gradient of ours, and of torch's on a channels-first copy."""
    generator = torch.Generator().manual_seed(1)
    upstream = torch.randn(x.shape[0], 7, *size, generator=generator).to(x.dtype)
    upstream = upstream.contiguous(memory_format=torch.channels_last)[:, channels]
    plain = x.clone().contiguous().double().requires_grad_()
    x = x.clone().requires_grad_()
    out = resize_feature(x, size, align_corners=align_corners)
    expected = F.interpolate(plain, size=size, mode="bilinear", align_corners=align_corners)
    out.backward(upstream)
    expected.backward(upstream.double())
    return [out.detach(), x.grad], [expected.detach(), plain.grad]


@pytest.mark.parametrize(("small", "large"), SIZES)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 1e-2)]
)
def test_result_and_gradient_are_those_of_interpolate(small, large, align_corners, layout, dtype, tolerance) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 7, *small, generator=generator).to(dtype).contiguous(memory_format=layout)
    actual, expected = _both(x, large, align_corners)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == dtype
        # The memory of a single pixel is in either layout.
        assert small == (1, 1) or ours.is_contiguous(memory_format=layout)
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours.double(), theirs, atol=tolerance * scale, rtol=0)


def test_gradient_of_a_slice_of_a_joined_tensor_stays_channels_last() -> None:
    x = torch.randn(2, 4, 6, 5).contiguous(memory_format=torch.channels_last)
    actual, expected = _both(x, (24, 20), False, slice(2, 6))
    torch.testing.assert_close(actual[1].double(), expected[1], atol=1e-5, rtol=0)
    assert actual[1].is_contiguous(memory_format=torch.channels_last)


def test_gradients_check_out_numerically() -> None:
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: resize_feature(x, (7, 8)), (x,))
