"""The divergence from a teacher against NumPy and against cross-entropy with soft targets."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segibn.losses.consistency import ramp_up, teacher_divergence


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of a student, which want a gradient, and of a teacher."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = 2 * torch.randn(2, 2, 4, 3, 5, generator=generator, dtype=torch.float64)
    return student.requires_grad_(), teacher


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_divergence_is_that_of_a_loop_over_pixels(logits, threshold: float | None) -> None:
    student, teacher = logits
    p, q = teacher.softmax(1).numpy(), student.detach().softmax(1).numpy()
    costs = []
    for n, y, x in np.ndindex(2, 3, 5):
        is_sure = threshold is None or p[n, :, y, x].max() >= threshold
        cost = sum(p[n, k, y, x] * np.log(p[n, k, y, x] / q[n, k, y, x]) for k in range(4))
        costs.append(cost if is_sure else 0.0)
    assert (0 in costs) == (threshold is not None)
    ours = teacher_divergence(student, teacher, threshold=threshold)
    assert ours.item() == pytest.approx(np.mean(costs), rel=1e-12)


def test_gradient_is_that_of_cross_entropy_with_the_soft_prediction(logits) -> None:
    student, teacher = logits
    (ours,) = torch.autograd.grad(teacher_divergence(student, teacher), student)
    (theirs,) = torch.autograd.grad(F.cross_entropy(student, teacher.softmax(1)), student)
    torch.testing.assert_close(ours, theirs)


def test_pixels_that_the_teacher_is_unsure_of_get_zero_gradient(logits) -> None:
    student, teacher = logits
    teacher_divergence(student, teacher, threshold=0.6).backward()
    sure = teacher.softmax(1).amax(1) >= 0.6
    assert ((student.grad != 0).any(1) == sure).all()


def test_ramp_rises_from_nearly_nothing_to_one_and_stays() -> None:
    values = [ramp_up(iteration, 10) for iteration in range(15)]
    assert values[0] == pytest.approx(np.exp(-5))
    assert values[5] == pytest.approx(np.exp(-1.25))
    assert values[:11] == sorted(set(values))
    assert values[10:] == [1.0] * 5
    assert ramp_up(0, 0) == 1.0
