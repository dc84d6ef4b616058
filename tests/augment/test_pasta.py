"""PASTA is the paper's formula on whole spectra, and touches nothing but amplitudes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.augment.fourier import Pasta, deviations, draw_factors, scale_amplitudes

CPU = torch.device("cpu")
PAPER = {"alpha": 3.0, "beta": 0.25, "k": 2.0}


def _sigma(size: tuple[int, int]) -> np.ndarray:
    """The paper's formula, frequency by frequency, its (0, 0) moved to the corner."""
    height, width = size
    table = np.empty(size)
    for row in range(height):
        for column in range(width):
            m, n = row - height // 2, column - width // 2
            radius = np.sqrt((m**2 + n**2) / (height**2 + width**2))
            table[row, column] = (2 * 3.0 * radius) ** 2.0 + 0.25
    return np.fft.ifftshift(table)


def _opposite(table: np.ndarray) -> np.ndarray:
    """Values of (-m, -n) at (m, n)."""
    return np.roll(table[..., ::-1, ::-1], (1, 1), (-2, -1))


def _spectrum(image: Tensor) -> np.ndarray:
    return np.fft.fft2(image.double().numpy())


def test_the_jitter_grows_as_the_paper_says(image: Tensor) -> None:
    height, width = image.shape[-2:]
    sigma = deviations((height, width), **PAPER, device=CPU).numpy()
    np.testing.assert_allclose(sigma, _sigma((height, width))[:, : width // 2 + 1], rtol=1e-5)
    assert sigma[0, 0] == 0.25  # the mean colour


def test_the_half_spectrum_is_the_whole_one_of_which_the_real_part_is_kept(image: Tensor) -> None:
    """eps for every frequency, the inverse transform, its real part: the paper's script."""
    height, width = image.shape[-2:]
    eps = np.random.default_rng(0).normal(1.0, _sigma((height, width)), image.shape)
    expected = np.fft.ifft2(_spectrum(image) * eps).real
    mean = (eps + _opposite(eps)) / 2
    factor = torch.from_numpy(mean[..., : width // 2 + 1]).float()
    np.testing.assert_allclose(scale_amplitudes(image, factor), expected, atol=2e-2)


def test_ratios_of_amplitudes_spread_as_sigma_and_phases_stay(image: Tensor) -> None:
    """Over many draws, at every frequency of the whole spectrum, channel by channel."""
    draws, (height, width) = 3000, image.shape[-2:]
    torch.manual_seed(1)
    deviation = deviations((height, width), **PAPER, device=CPU)
    factor = draw_factors((draws, 3), deviation, width)
    changed = scale_amplitudes(image[:1].expand(draws, -1, -1, -1), factor)
    ratio = _spectrum(changed) / _spectrum(image[:1])
    assert np.abs(ratio.imag).max() < 1e-2 * np.abs(ratio.real).max()
    ratio = ratio.real

    sigma = _sigma((height, width))
    place = np.arange(height * width).reshape(height, width)
    own_opposite = place == _opposite(place)
    assert own_opposite.sum() == (2 - height % 2) * (2 - width % 2)
    expected = np.where(own_opposite, sigma, sigma / np.sqrt(2))
    spread = ratio.std(axis=0)
    assert np.abs(spread / expected - 1).max() < 5 / np.sqrt(2 * draws)
    assert np.abs((ratio.mean(axis=0) - 1) / expected).max() < 5 / np.sqrt(draws)
    between = np.corrcoef(ratio[:, :, 1, 2].T) - np.eye(3)
    assert np.abs(between).max() < 5 / np.sqrt(draws)  # channels are drawn for themselves
    np.testing.assert_allclose(ratio, _opposite(ratio), atol=2e-2)  # Hermitian


def test_the_mean_colour_is_scaled_by_the_factor_of_frequency_zero(image: Tensor) -> None:
    height, width = image.shape[-2:]
    torch.manual_seed(0)
    factor = draw_factors((4, 3), deviations((height, width), **PAPER, device=CPU), width)
    mean = scale_amplitudes(image, factor).mean(dim=(-2, -1))
    torch.testing.assert_close(mean, factor[..., 0, 0] * image.mean(dim=(-2, -1)))


def test_a_batch_is_clipped_and_the_same_seed_gives_the_same(image: Tensor) -> None:
    before, pasta = image.clone(), Pasta(**PAPER, probability=1.0)
    torch.manual_seed(3)
    first = pasta(image)
    torch.manual_seed(3)
    assert torch.equal(pasta(image), first)
    assert not torch.equal(pasta(image), first)
    assert first.min() == 0.0
    assert first.max() == 255.0
    assert torch.equal(image, before)
    torch.manual_seed(3)
    height, width = image.shape[-2:]
    factor = draw_factors((4, 3), deviations((height, width), **PAPER, device=CPU), width)
    assert torch.equal(scale_amplitudes(image, factor).clamp(0, 255), first)


def test_without_jitter_images_stay(image: Tensor) -> None:
    changed = Pasta(alpha=0.0, beta=0.0, k=2.0, probability=1.0)(image)
    torch.testing.assert_close(changed, image, atol=1e-3, rtol=0)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_as_many_samples_are_changed_as_asked(probability: float) -> None:
    torch.manual_seed(0)
    image = torch.rand(2000, 3, 4, 4) * 255
    changed = (Pasta(**PAPER, probability=probability)(image) != image).flatten(1).any(1)
    assert abs(changed.float().mean().item() - probability) < 0.04
