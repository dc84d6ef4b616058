"""Amplitude mix is a convex combination of amplitudes under the phase of the content."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.augment import draw_partners
from segibn.augment.fourier import AmplitudeMix, mix_amplitudes

CPU = torch.device("cpu")


def _spectrum(image: Tensor) -> np.ndarray:
    return np.fft.fft2(image.double().numpy())


def _by_numpy(image: Tensor, style: Tensor, share: np.ndarray) -> np.ndarray:
    content, other = _spectrum(image), _spectrum(style)
    amplitude = (1 - share) * np.abs(content) + share * np.abs(other)
    mixed = np.fft.ifft2(amplitude * np.exp(1j * np.angle(content)))
    assert np.abs(mixed.imag).max() < 1e-9
    return mixed.real


def test_amplitudes_are_mixed_and_the_phase_is_the_contents(image: Tensor) -> None:
    style, share = image.roll(1, 0), torch.tensor([0.0, 0.3, 0.8, 1.0]).view(4, 1, 1, 1)
    mixed = mix_amplitudes(image, style, share, None)
    expected = _by_numpy(image, style, share.double().numpy())
    np.testing.assert_allclose(mixed, expected, atol=1e-3)
    torch.testing.assert_close(mixed[0], image[0], atol=1e-3, rtol=0)
    result, own, other = _spectrum(mixed), _spectrum(image), _spectrum(style)
    amplitude = 0.7 * np.abs(own[1]) + 0.3 * np.abs(other[1])
    np.testing.assert_allclose(np.abs(result[1]), amplitude, rtol=1e-3, atol=1e-2)
    turned = np.angle(result[1] / own[1])[np.abs(result[1]) > 10]
    assert np.abs(turned).max() < 1e-3


@pytest.mark.parametrize(("window", "reach"), [(0.1, 1), (0.2, 2), (0.5, 5)])
def test_a_window_changes_low_frequencies_alone(window: float, reach: int) -> None:
    image = 255 * torch.rand(2, 3, 11, 16, generator=torch.Generator().manual_seed(1))
    style = image.flip(0)
    inside = np.zeros((11, 16))
    for m in range(-reach, reach + 1):
        for n in range(-reach, reach + 1):
            inside[m, n] = 0.6
    mixed = mix_amplitudes(image, style, torch.full((2, 1, 1, 1), 0.6), window)
    np.testing.assert_allclose(mixed, _by_numpy(image, style, inside), atol=1e-3)


def test_shares_are_uniform_up_to_eta_and_the_style_is_another_samples() -> None:
    """Of flat images only frequency 0 has an amplitude: they become the mean of two grey levels."""
    levels = torch.tensor([0.0, 30.0, 200.0])
    image = levels.view(3, 1, 1, 1).expand(3, 3, 6, 8)
    torch.manual_seed(0)
    mix = AmplitudeMix(eta=0.6, window=None, probability=1.0)
    drawn = torch.stack([mix(image) for _ in range(1500)])
    assert (drawn.amax((-3, -2, -1)) - drawn.amin((-3, -2, -1))).max() < 1e-3
    moved = drawn[:, 0, 0, 0, 0]  # from black: towards 30 or 200
    towards = (moved > 18.001).sum()  # 0.6 of 30
    assert moved.max() < 120.001
    far = moved[moved > 18.001] / 200
    assert 0.38 < towards / 1500 < 0.47  # half the time, and 85 % of that above 18
    assert abs(far.mean().item() - (0.6 + 0.09) / 2) < 0.02
    near = (30 - drawn[:, 1, 0, 0, 0][drawn[:, 1, 0, 0, 0] < 30]) / 30  # from 30 towards black
    shares = np.histogram(near, bins=4, range=(0.0, 0.6))[0] / len(near)
    assert np.abs(shares - 0.25).max() < 0.06


def test_partners_are_others_all_equally_likely() -> None:
    torch.manual_seed(0)
    drawn = torch.stack([draw_partners(4, CPU) for _ in range(3000)])
    assert torch.equal(drawn.sort(dim=1).values, torch.arange(4).expand(3000, 4))
    counts = torch.stack([(drawn == other).sum(dim=0) for other in range(4)])
    assert (counts.diagonal() == 0).all()
    others = counts[~torch.eye(4, dtype=torch.bool)]
    assert (others.float() / 3000 - 1 / 3).abs().max() < 0.045  # five standard deviations
    assert draw_partners(1, CPU).tolist() == [0]
    assert draw_partners(2, CPU).tolist() == [1, 0]


def test_a_batch_stays_in_range_and_the_same_seed_gives_the_same(image: Tensor) -> None:
    before, mix = image.clone(), AmplitudeMix(eta=1.0, window=None, probability=0.5)
    torch.manual_seed(5)
    first = mix(image)
    torch.manual_seed(5)
    assert torch.equal(mix(image), first)
    assert torch.equal(image, before)
    assert first.min() >= 0.0
    assert first.max() <= 255.0
    alone = AmplitudeMix(eta=1.0, window=None, probability=1.0)(image[:1])
    torch.testing.assert_close(alone, image[:1], atol=1e-3, rtol=0)
