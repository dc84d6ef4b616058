"""Random convolutions equal double loops with the kernels that were drawn."""

import numpy as np
import pytest
import torch
from torchvision.ops import deform_conv2d

from segibn.augment import random_convolution
from segibn.augment.random_convolution import Block, RandomConvolution, draw_block, sampling_grid

CPU = torch.device("cpu")


def _value(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear interpolation; beyond the edges, what is on them."""
    y, x = np.clip(y, 0, plane.shape[0] - 1), np.clip(x, 0, plane.shape[1] - 1)
    total = 0.0
    for row in {int(y), min(int(y) + 1, plane.shape[0] - 1)}:
        for column in {int(x), min(int(x) + 1, plane.shape[1] - 1)}:
            total += plane[row, column] * max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
    return total


def _convolve(image: np.ndarray, weight: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """A deformable 3x3 convolution of (3, H, W), pixel by pixel."""
    result = np.zeros_like(image)
    for out, y, x in np.ndindex(*image.shape):
        for channel, row, column in np.ndindex(3, 3, 3):
            right, down = offset[3 * row + column, y, x]
            value = _value(image[channel], y + row - 1 + down, x + column - 1 + right)
            result[out, y, x] += weight[out, channel, row, column] * value
    return result


def _block(image: np.ndarray, block: Block, offset: np.ndarray) -> np.ndarray:
    """The paper's block in double precision."""
    image = _convolve(image, block.weight.double().numpy(), offset)
    spread = np.sqrt(image.var(axis=(1, 2), keepdims=True) + 1e-4)
    standard = (image - image.mean(axis=(1, 2), keepdims=True)) / spread
    return np.tanh(standard * block.gamma.double().numpy() + block.beta.double().numpy())


@pytest.mark.parametrize("deviation", [0.0, 0.5, 3.0])
def test_a_block_is_the_papers_formula_pixel_by_pixel(deviation: float) -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 5, 7) * 2 - 1
    plain = draw_block((5, 7), 0.0, 0.5, CPU)
    offset = torch.randn(9, 5, 7, 2) * deviation
    block = Block(plain.weight, sampling_grid(offset), plain.gamma, plain.beta)
    expected = [_block(sample, block, offset.double().numpy()) for sample in image.double().numpy()]
    np.testing.assert_allclose(block(image), expected, atol=2e-4)
    if deviation == 0.0:
        torch.testing.assert_close(plain(image), block(image))


def test_within_the_image_it_is_torchvisions_deformable_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bands, too: six rows at a time."""
    monkeypatch.setattr(random_convolution, "_BAND", 200)
    torch.manual_seed(0)
    image, offset = torch.randn(3, 3, 20, 33), torch.randn(9, 20, 33, 2).clamp(-2, 2)
    block = draw_block((20, 33), 0.0, 0.5, CPU)
    block = Block(block.weight, sampling_grid(offset), block.gamma, block.beta)
    down_right = offset.flip(-1).permute(0, 3, 1, 2).reshape(1, 18, 20, 33).expand(3, -1, -1, -1)
    expected = deform_conv2d(image, down_right, block.weight, padding=1)
    inner = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(block.convolve(image)[inner], expected[inner], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_one_block_is_applied_to_all_samples_as_often_as_drawn(offset: float) -> None:
    image = 255 * torch.rand(3, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    image[2] = image[0]
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        block, repeats = draw_block((6, 8), offset, 0.5, CPU), int(torch.randint(1, 5, ()))
        expected = image / 127.5 - 1
        for _ in range(repeats):
            expected = block(expected)
        torch.manual_seed(seed)
        changed = RandomConvolution(4, offset, 0.5, 1.0)(image)
        torch.testing.assert_close(changed, (expected + 1) * 127.5)
        assert torch.equal(changed[2], changed[0])
        assert changed.min() >= 0
        assert changed.max() <= 255
        seen.add(repeats)
    assert len(seen) > 1


def test_draws_follow_the_papers_distributions() -> None:
    torch.manual_seed(0)
    blocks = [draw_block((3, 4), 0.5, 0.5, CPU) for _ in range(4000)]
    weight = torch.stack([block.weight for block in blocks])
    spread = weight.std(dim=(0, 1, 2)) * 27**0.5
    sigma = np.random.default_rng(0).uniform(1e-4, 1.0, 200_000)
    for distance2, places in ((0, [(1, 1)]), (1, [(0, 1), (1, 2)]), (2, [(0, 0), (2, 0)])):
        expected = np.sqrt(np.mean(np.exp(-distance2 / (2 * sigma**2)) ** 2))
        for row, column in places:
            assert abs(spread[row, column].item() / expected - 1) < 0.05
    affine = torch.stack([torch.stack((block.gamma, block.beta)) for block in blocks])
    assert (affine.std(dim=0) / 0.5 - 1).abs().max() < 0.06
    assert affine.mean(dim=0).abs().max() < 0.04
    at_rest = sampling_grid(torch.zeros(9, 3, 4, 2))
    pixels = torch.tensor([4.0, 3.0]) / 2
    offsets = torch.stack([(block.grid - at_rest) * pixels for block in blocks])
    of_blocks = offsets.flatten(1).std(dim=1)  # near the sigma_d of each: uniform up to 0.5
    shares = torch.histc(of_blocks, 5, 0.0, 0.5) / 4000
    assert (shares[:4] - 0.2).abs().max() < 0.03
    assert offsets.mean().abs() < 2e-3


def test_samples_are_changed_by_chance_and_the_rest_stay_bit_by_bit() -> None:
    torch.manual_seed(0)
    image = 255 * torch.rand(400, 3, 4, 4)
    before = image.clone()
    changed = RandomConvolution(3, 0.5, 0.5, 0.3)(image)
    differs = (changed != image).flatten(1).any(1)
    assert 0.2 < differs.float().mean() < 0.4
    assert torch.equal(image, before)
    assert torch.isfinite(changed).all()


def test_flat_images_stay_finite() -> None:
    flat = torch.full((2, 3, 4, 5), 127.5)
    assert torch.isfinite(RandomConvolution(10, 0.5, 0.5, 1.0)(flat)).all()
