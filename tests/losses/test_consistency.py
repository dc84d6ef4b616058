"""The Jensen-Shannon divergence against its definition in NumPy."""

import math

import numpy as np
import pytest
import torch

from segibn.losses.consistency import jensen_shannon


def softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return exp / exp.sum(1, keepdims=True)


def test_divergence_is_that_of_numpy_and_symmetric() -> None:
    first, second = 3 * np.random.default_rng(0).normal(size=(2, 2, 5, 3, 4))
    p, q = softmax(first), softmax(second)
    m = (p + q) / 2
    per_pixel = ((p * np.log(p / m)).sum(1) + (q * np.log(q / m)).sum(1)) / 2
    one, other = torch.from_numpy(first), torch.from_numpy(second)
    assert jensen_shannon(one, other).item() == pytest.approx(per_pixel.mean(), rel=1e-12)
    assert jensen_shannon(other, one).item() == pytest.approx(per_pixel.mean(), rel=1e-12)


def test_it_is_log_2_for_certain_opposites_and_finite_with_its_gradient() -> None:
    certain = torch.tensor([500.0, -500.0]).view(1, 2, 1, 1).requires_grad_()
    value = jensen_shannon(certain, -certain.detach())
    value.backward()
    assert value.item() == pytest.approx(math.log(2))
    assert certain.grad.isfinite().all()


def test_both_views_get_the_gradient_of_finite_differences() -> None:
    torch.manual_seed(0)
    views = torch.randn(2, 1, 3, 2, 2, dtype=torch.float64)
    first, second = (view.requires_grad_() for view in views.unbind())
    assert torch.autograd.gradcheck(jensen_shannon, (first, second))
    jensen_shannon(first, second).backward()
    assert first.grad.abs().sum() > 0
    assert second.grad.abs().sum() > 0
