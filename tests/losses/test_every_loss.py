"""What all losses have in common: the treatment of ignored pixels, number formats, gradients."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from segibn.losses.criterion import REGION_LOSSES
from segibn.losses.cross_entropy import cross_entropy, ohem_cross_entropy

WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0])
LOSSES = {
    "cross_entropy": cross_entropy,
    "weighted": partial(cross_entropy, class_weights=WEIGHTS, label_smoothing=0.1),
    "ohem": partial(ohem_cross_entropy, threshold=0.4, min_kept=0.3),
    "weighted_ohem": partial(ohem_cross_entropy, threshold=0.4, class_weights=WEIGHTS, label_smoothing=0.1),
    **REGION_LOSSES,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
Batch = tuple[Tensor, Tensor]


@every_loss
def test_gradient_is_that_of_finite_differences(loss, batch: Batch) -> None:
    logits, target = batch
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)


@every_loss
def test_ignored_pixels_get_zero_gradient(loss, batch: Batch) -> None:
    logits, target = batch
    loss(logits, target).backward()
    ignored = (target == 255)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()


@every_loss
def test_what_is_predicted_on_ignored_pixels_does_not_matter(loss, batch: Batch) -> None:
    logits, target = batch
    noise = 100 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    changed = torch.where((target == 255)[:, None], logits + noise, logits)
    torch.testing.assert_close(loss(changed, target), loss(logits, target))


@every_loss
def test_an_all_ignored_batch_costs_nothing_and_has_zero_gradient(loss, batch: Batch) -> None:
    logits, target = batch
    value = loss(logits, torch.full_like(target, 255))
    value.backward()
    assert value.item() == 0.0
    assert (logits.grad == 0).all()


@every_loss
def test_any_integer_type_gives_the_same(loss, batch: Batch) -> None:
    logits, target = batch
    for kind in (torch.int16, torch.int32, torch.int64):
        assert torch.equal(loss(logits, target.to(kind)), loss(logits, target))


@every_loss
def test_half_precision_logits_and_autocast_are_computed_in_float32(loss, batch: Batch) -> None:
    logits, target = batch
    half = logits.detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(half.float(), target))


@every_loss
def test_perfect_prediction_costs_nothing(loss, batch: Batch) -> None:
    _, target = batch
    truth = torch.nn.functional.one_hot(torch.where(target == 255, 0, target).long(), 4)
    certain = 60.0 * truth.permute(0, 3, 1, 2)
    smoothed = _keywords(loss).get("label_smoothing", 0)
    assert (loss(certain, target).item() > 1) == bool(smoothed)
    if not smoothed:
        assert loss(certain, target).item() == pytest.approx(0, abs=1e-6)


@every_loss
def test_no_value_is_read_from_a_cuda_device(loss) -> None:
    with FakeTensorMode():  # tensors without values, of which reading one is an error
        logits = torch.randn(2, 4, 3, 5, device="cuda", requires_grad=True)
        target = torch.zeros(2, 3, 5, device="cuda", dtype=torch.uint8)
        options = {k: torch.ones(4, device="cuda") for k, v in _keywords(loss).items() if v is WEIGHTS}
        value = loss(logits, target, **options)
        assert value.shape == ()
        with pytest.raises(DataDependentOutputException):
            value.item()


@pytest.mark.gpu
@every_loss
def test_cuda_is_not_waited_for_and_gives_the_values_of_the_cpu(loss, batch: Batch) -> None:
    logits, target = batch
    expected = loss(logits, target)
    (gradient,) = torch.autograd.grad(expected, logits)
    options = {k: v.cuda() for k, v in _keywords(loss).items() if v is WEIGHTS}
    on_device, target = logits.detach().cuda().requires_grad_(), target.cuda()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = loss(on_device, target, **options)
        value.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(value.cpu(), expected)
    torch.testing.assert_close(on_device.grad.cpu(), gradient)


def _keywords(loss) -> dict[str, object]:
    return getattr(loss, "keywords", {})
