"""RobustNet's whitening losses against NumPy on loops over images and pairs of channels."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segibn.losses.whitening import instance_covariance, off_diagonal, pair_variance, sensitive_mask, whitening_loss


def _feature(seed: int = 0, channels: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(channels, channels))
    return np.einsum("cd,ndhw->nchw", mixing, rng.normal(size=(3, channels, 5, 7)))


def _standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 1e-5)


def _covariance(x: np.ndarray) -> np.ndarray:
    return np.stack([np.cov(image.reshape(len(image), -1), bias=True) for image in x])


def test_the_covariance_is_that_of_each_images_pixels() -> None:
    x = _standardised(_feature())
    ours = instance_covariance(torch.from_numpy(x))
    torch.testing.assert_close(ours, torch.from_numpy(_covariance(x)))
    half = instance_covariance(torch.from_numpy(x).bfloat16())
    assert half.dtype == torch.float32


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.4])
def test_iw_and_irw_equal_the_mean_absolute_covariance_above_the_diagonal(margin: float) -> None:
    covariance = _covariance(_standardised(_feature()))
    each = []
    for matrix in covariance:
        pairs = [abs(matrix[a, b]) for a in range(6) for b in range(a + 1, 6)]
        assert len(pairs) == 15
        each.append(max(sum(pairs) - margin * len(pairs), 0.0) / len(pairs))
    ours = whitening_loss(torch.from_numpy(covariance), off_diagonal(6), margin)
    assert ours.item() == pytest.approx(np.mean(each))
    assert any(x == 0.0 for x in each) == (margin == 0.4)  # the cases tell something


def test_isw_equals_numpy_on_the_masked_covariance() -> None:
    plain, changed = (_covariance(_standardised(_feature(seed))) for seed in (0, 1))
    variance = np.var(np.stack([plain, changed]), axis=0)  # of two numbers around their mean
    summed = pair_variance(torch.from_numpy(plain), torch.from_numpy(changed))
    np.testing.assert_allclose(summed, variance.sum(0), rtol=1e-10)
    mean = variance.mean(0)
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    # The authors' code clusters the whole 6x6 matrix, of which the other 21 elements are 0.
    values = np.sort([*np.zeros(21), *(mean[pair] for pair in pairs)])
    splits = [(i, j) for i in range(1, 35) for j in range(i + 1, 36)]
    cost = {s: sum(run.var() * len(run) for run in np.split(values, s)) for s in splits}
    least = values[min(cost, key=cost.get)[0]]
    sensitive = [pair for pair in pairs if mean[pair] >= least]
    assert 0 < len(sensitive) < 15
    mask = sensitive_mask(summed / 3)
    assert [tuple(pair) for pair in mask.nonzero().tolist()] == sorted(sensitive)
    expected = np.mean([np.mean([abs(m[pair]) for pair in sensitive]) for m in plain])
    ours = whitening_loss(torch.from_numpy(plain), mask)
    assert ours.item() == pytest.approx(expected)


def test_more_insensitive_clusters_leave_a_part_of_the_mask() -> None:
    variance = torch.zeros(4, 4)
    variance[0, 1], variance[0, 2], variance[0, 3] = 0.01, 1.0, 9.0
    variance[1, 2], variance[1, 3], variance[2, 3] = 0.02, 1.1, 9.1
    variance[3, 0] = 100.0  # below the diagonal: not looked at
    assert sensitive_mask(variance, 3, 1).nonzero().tolist() == [[0, 2], [0, 3], [1, 3], [2, 3]]
    assert sensitive_mask(variance, 3, 2).nonzero().tolist() == [[0, 3], [2, 3]]


def test_gradients_through_the_norm_are_those_of_finite_differences() -> None:
    x = torch.from_numpy(_feature(channels=3)).requires_grad_()

    def loss(x: torch.Tensor) -> torch.Tensor:
        return whitening_loss(instance_covariance(F.instance_norm(x)), off_diagonal(3), 0.01)

    assert torch.autograd.gradcheck(loss, (x,))


def test_what_follows_in_place_does_not_reach_the_gradient() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    grads = []
    for inplace in (True, False):
        out = F.instance_norm(x)
        loss = whitening_loss(instance_covariance(out), off_diagonal(3))
        (loss + F.relu(out, inplace=inplace).square().sum()).backward()
        grads.append(x.grad.clone())
        x.grad = None
    torch.testing.assert_close(*grads)


def test_an_empty_mask_costs_nothing() -> None:
    covariance = torch.rand(2, 3, 3, requires_grad=True)
    loss = whitening_loss(covariance, torch.zeros(3, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (covariance.grad == 0).all()
