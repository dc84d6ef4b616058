import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.models.perturb.np_plus import NormalizationPerturbation, batch_spread

PIXELS = (2, 3)
NP = NormalizationPerturbation(probability=1.0, sigma=0.75, adaptive=False, adaptive_scale=1.5)
NP_PLUS = NormalizationPerturbation(probability=1.0, sigma=0.75, adaptive=True, adaptive_scale=1.5)


def _features(count: int, channels: int = 5) -> Tensor:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (count, channels, 4, 6)) + rng.uniform(1, 4, (count, channels, 1, 1))
    return torch.from_numpy(x)


def _factors(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Alpha and beta (N, C, 1, 1) that lead from x to y, by least squares and from the means."""
    before, after = x.numpy(), y.numpy()
    mean, new_mean = before.mean(PIXELS, keepdims=True), after.mean(PIXELS, keepdims=True)
    varying = before - mean
    alpha = (varying * (after - new_mean)).sum(PIXELS, keepdims=True)
    return alpha / (varying**2).sum(PIXELS, keepdims=True), new_mean / mean


@pytest.mark.parametrize("perturbation", [NP, NP_PLUS])
def test_mean_times_beta_and_spread_times_alpha_and_nothing_else(perturbation: NormalizationPerturbation) -> None:
    feature = _features(4)
    torch.manual_seed(0)
    perturbed = perturbation(feature)
    alpha, beta = _factors(feature, perturbed)
    x = feature.numpy()
    mean = x.mean(PIXELS, keepdims=True)
    np.testing.assert_allclose(perturbed, alpha * (x - mean) + beta * mean, atol=1e-12)
    np.testing.assert_allclose(perturbed.numpy().std(PIXELS), np.abs(alpha[..., 0, 0]) * x.std(PIXELS), rtol=1e-12)
    assert len(np.unique(alpha.round(9))) == len(np.unique(beta.round(9))) == alpha.size


def test_the_factors_of_np_have_mean_1_and_the_given_spread() -> None:
    torch.manual_seed(0)
    feature = _features(100, channels=50)
    for factor in _factors(feature, NP(feature)):
        assert abs(factor.mean() - 1) < 0.04
        assert abs(factor.std() - 0.75) < 0.04


def test_np_plus_weights_the_means_noise_by_how_much_the_mean_differs_in_the_batch() -> None:
    torch.manual_seed(0)
    offsets = torch.linspace(-1, 1, 400, dtype=torch.float64).view(-1, 1, 1, 1)
    strengths = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64).view(1, -1, 1, 1)
    content = _features(1, channels=3)
    feature = content + offsets * strengths
    alpha, beta = _factors(feature, NP_PLUS(feature))
    np.testing.assert_allclose(beta[:, 0], 1, atol=1e-9)  # the mean never differs: no noise
    for channel, weight in ((1, 0.5), (2, 1.0)):
        assert abs(beta[:, channel].std() - 0.75 * 1.5 * weight) < 0.1 * weight
        assert abs(alpha[:, channel].std() - 0.75) < 0.08


def test_spread_is_relative_to_the_channel_that_differs_most() -> None:
    mean = torch.from_numpy(np.random.default_rng(2).normal(size=(6, 8, 1, 1)))
    std = mean.numpy().std(0, ddof=1, keepdims=True)  # the divisor cancels
    np.testing.assert_allclose(batch_spread(mean), std / std.max(), rtol=1e-12)


def test_a_batch_of_one_keeps_its_means_under_np_plus() -> None:
    feature = _features(1)
    perturbed = NP_PLUS(feature)
    torch.testing.assert_close(perturbed.mean(PIXELS), feature.mean(PIXELS))
    assert not torch.allclose(perturbed, feature)


@pytest.mark.parametrize("perturbation", [NP, NP_PLUS])
def test_gradients_flow_through_feature_and_mean_with_the_factors_constant(
    perturbation: NormalizationPerturbation,
) -> None:
    feature = _features(3).requires_grad_()
    upstream = _features(6)[3:] - 2
    torch.manual_seed(0)
    perturbed = perturbation(feature)
    perturbed.backward(upstream)
    alpha, beta = _factors(feature.detach(), perturbed.detach())
    g = upstream.numpy()
    expected = alpha * g + (beta - alpha) * g.mean(PIXELS, keepdims=True)
    np.testing.assert_allclose(feature.grad, expected, atol=1e-12)


def test_without_chance_nothing_happens() -> None:
    feature = _features(2)
    assert NormalizationPerturbation(0.0, 0.75, True, 1.5)(feature) is feature
