import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.models.kernels import upsample_loss
from segibn.models.kernels.upsample_loss import upsampled_cross_entropy

# Coarse (N, K, h, w), size of the target: factors 4, 8 x 2, 1, 3 x 5; sizes that are no multiples.
CASES = [
    ((2, 19, 7, 5), (28, 20)),
    ((1, 3, 1, 1), (8, 2)),
    ((3, 4, 6, 9), (6, 9)),
    ((2, 5, 4, 3), (12, 15)),
    ((2, 5, 4, 3), (13, 15)),
]


@pytest.fixture(autouse=True)
def _piecewise_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsample_loss, "_WORTHWHILE", 1)


def _logits_and_target(
    shape: tuple[int, ...], size: tuple[int, int], dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = 5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    target = torch.randint(shape[1], (shape[0], *size), generator=generator, dtype=torch.uint8)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return coarse.to(dtype).requires_grad_(), target


def _plain(coarse: Tensor, target: Tensor, weights: Tensor | None = None, *, align_corners: bool = False) -> Tensor:
    logits = F.interpolate(coarse, size=target.shape[1:], mode="bilinear", align_corners=align_corners)
    return F.cross_entropy(logits, target.long(), weights, ignore_index=255, reduction="sum")


@pytest.mark.parametrize(("shape", "size"), CASES)
@pytest.mark.parametrize("piece", [1 << 21, 1 << 10])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_equal_those_of_resized_logits(
    shape, size, piece, align_corners, weighted, monkeypatch
) -> None:
    monkeypatch.setattr(upsample_loss, "_PIECE", piece)
    coarse, target = _logits_and_target(shape, size)
    weights = torch.linspace(0.5, 2, shape[1], dtype=torch.float64) if weighted else None
    expected = _plain(coarse, target, weights, align_corners=align_corners)
    loss = upsampled_cross_entropy(coarse, target, align_corners=align_corners, class_weights=weights)
    torch.testing.assert_close(loss, expected, atol=0, rtol=1e-12)
    (expected_grad,) = torch.autograd.grad(3 * expected, coarse)
    (grad,) = torch.autograd.grad(3 * loss, coarse)
    torch.testing.assert_close(grad, expected_grad, atol=1e-11, rtol=0)


def test_float32_is_right_to_six_digits() -> None:
    coarse, target = _logits_and_target((2, 19, 32, 48), (128, 192), torch.float32)
    exact = coarse.detach().double().requires_grad_()
    expected, loss = _plain(exact, target), upsampled_cross_entropy(coarse, target)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (expected_grad,) = torch.autograd.grad(expected, exact)
    (grad,) = torch.autograd.grad(loss, coarse)
    assert (grad - expected_grad).abs().max() < 1e-6 * expected_grad.abs().max()


def test_extreme_logits_give_a_finite_loss() -> None:
    coarse = torch.tensor([[-500.0, 500.0]]).view(1, 2, 1, 1).requires_grad_()
    loss = upsampled_cross_entropy(coarse, torch.zeros(1, 4, 4, dtype=torch.uint8))
    assert loss.item() == 16_000
    loss.backward()
    assert coarse.grad.flatten().tolist() == [-16, 16]


def test_channels_last_logits_are_no_exception() -> None:
    coarse, target = _logits_and_target((2, 5, 4, 3), (16, 12))
    other = coarse.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    loss = upsampled_cross_entropy(coarse, target)
    same = upsampled_cross_entropy(other, target)
    loss.backward()
    same.backward()
    torch.testing.assert_close(same, loss)
    torch.testing.assert_close(other.grad, coarse.grad)


def test_without_a_valid_pixel_there_is_no_loss_and_no_gradient() -> None:
    coarse, target = _logits_and_target((2, 5, 4, 3), (16, 12))
    loss = upsampled_cross_entropy(coarse, torch.full_like(target, 255))
    loss.backward()
    assert loss.item() == 0
    assert not coarse.grad.any()


def test_a_class_that_does_not_exist_is_refused() -> None:
    coarse, target = _logits_and_target((2, 5, 4, 3), (16, 12))
    target[0, 0, 0] = 5
    with pytest.raises((IndexError, RuntimeError)):
        upsampled_cross_entropy(coarse, target)
