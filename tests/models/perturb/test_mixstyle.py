import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.models.perturb.mixstyle import MixStyle, mix_statistics

PIXELS = (2, 3)


def _features(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (count, 6, 5, 7)) * rng.uniform(0.5, 3, (count, 6, 1, 1))
    return torch.from_numpy(x + rng.normal(0, 2, (count, 6, 1, 1))).to(dtype)


def test_moments_are_exactly_the_mix_and_the_normalised_content_stays() -> None:
    feature = _features(4)
    partner = torch.tensor([2, 0, 3, 1])
    share = torch.tensor([0.2, 1.0, 0.0, 0.7], dtype=torch.float64).view(4, 1, 1, 1)
    mixed = mix_statistics(feature, partner, share).numpy()

    x, own, p = feature.numpy(), share.numpy(), partner.numpy()
    mean, std = x.mean(PIXELS, keepdims=True), x.std(PIXELS, keepdims=True)
    atol = 1e-5  # epsilon below the root
    np.testing.assert_allclose(mixed.mean(PIXELS, keepdims=True), own * mean + (1 - own) * mean[p], atol=1e-12)
    np.testing.assert_allclose(mixed.std(PIXELS, keepdims=True), own * std + (1 - own) * std[p], atol=atol)
    new_mean, new_std = mixed.mean(PIXELS, keepdims=True), mixed.std(PIXELS, keepdims=True)
    np.testing.assert_allclose((mixed - new_mean) / new_std, (x - mean) / std, atol=1e-12)


def test_gradients_see_the_statistics_as_constants() -> None:
    feature = _features(3).requires_grad_()
    partner, share = torch.tensor([1, 2, 0]), torch.full((3, 1, 1, 1), 0.25, dtype=torch.float64)
    upstream = _features(6)[3:]
    mix_statistics(feature, partner, share).backward(upstream)
    std = feature.detach().numpy().std(PIXELS, keepdims=True)
    ratio = (0.25 * std + 0.75 * std[[1, 2, 0]]) / std
    np.testing.assert_allclose(feature.grad, upstream.numpy() * ratio, atol=1e-5)


def test_every_sample_lies_between_itself_and_one_partner() -> None:
    feature = _features(5)
    torch.manual_seed(0)
    mixed = MixStyle(probability=1.0, alpha=5.0)(feature)
    mean, new_mean = feature.mean(PIXELS), mixed.mean(PIXELS)
    partners = []
    for sample in range(5):
        gone, found = new_mean[sample] - mean[sample], []
        for other in range(5):
            way = mean[other] - mean[sample]
            part = (gone @ way) / (way @ way)
            if 0 < part < 1 and torch.allclose(gone, part * way, atol=1e-9):
                found.append(other)
        if not found:  # its own partner
            assert gone.abs().max() < 1e-9
        partners += found or [sample]
    assert sorted(partners) == [0, 1, 2, 3, 4]
    assert sum(partner != sample for sample, partner in enumerate(partners)) >= 2


def test_a_constant_channel_and_a_single_pixel_take_the_mixed_mean() -> None:
    share = torch.full((2, 1, 1, 1), 0.5)
    for size in ((4, 4), (1, 1)):
        feature = torch.stack([torch.full((1, *size), 1.0), torch.full((1, *size), 3.0)])
        mixed = mix_statistics(feature, torch.tensor([1, 0]), share)
        torch.testing.assert_close(mixed, torch.full_like(feature, 2.0))


@pytest.mark.parametrize(("probability", "count"), [(0.0, 4), (1.0, 1)])
def test_without_chance_or_partner_nothing_happens(probability: float, count: int) -> None:
    feature = _features(count)
    assert MixStyle(probability, alpha=0.1)(feature) is feature
