"""What the losses that compare two networks, or two views, have in common."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from segibn.losses.consistency import jensen_shannon, teacher_divergence
from segibn.losses.feature_distance import feature_distance, gram_distance, pure_cells


def distance_on_things(feature: Tensor, reference: Tensor) -> Tensor:
    target = torch.zeros(2, 6, 10, dtype=torch.uint8, device=feature.device)
    return feature_distance(feature, reference, pure_cells(target, [0], 2, 0.75))


LOSSES = {
    "feature_distance": distance_on_things,
    "texture": gram_distance,
    "consistency": jensen_shannon,
    "mean_teacher": teacher_divergence,
    "confident_mean_teacher": partial(teacher_divergence, threshold=0.3),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def draw() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 4, 3, 5, requires_grad=True), torch.randn(2, 4, 3, 5, requires_grad=True)


@every_loss
def test_equal_inputs_cost_nothing_and_have_zero_gradient(loss) -> None:
    first, _ = draw()
    value = loss(first, first.detach().clone())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert first.grad.abs().max() <= 1e-7


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"consistency"}))  # both views are the student's
def test_gradient_goes_into_the_student_alone(name: str) -> None:
    loss = LOSSES[name]
    student, reference = draw()
    loss(student, reference).backward()
    assert student.grad.abs().sum() > 0
    assert reference.grad is None


@every_loss
def test_half_precision_and_autocast_are_computed_in_float32(loss) -> None:
    first, second = (values.detach().bfloat16() for values in draw())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(first, second)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(first.float(), second.float()))


@every_loss
def test_no_value_is_read_from_a_cuda_device(loss) -> None:
    with FakeTensorMode():  # tensors without values, of which reading one is an error
        first, second = torch.randn(2, 2, 4, 3, 5, device="cuda", requires_grad=True)
        value = loss(first, second)
        assert value.shape == ()
        with pytest.raises(DataDependentOutputException):
            value.item()
