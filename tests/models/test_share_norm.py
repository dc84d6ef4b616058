import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.share_norm import EasedInstanceNorm2d, InstanceShareNorm2d, set_iteration

BIG, SMALL = (3, 8, 64, 48), (3, 8, 5, 4)
"""Shapes that the unsplit kernel takes and that it leaves to the elementary form."""


def _filled(share: float | torch.Tensor, channels: int = 8, **options: int) -> InstanceShareNorm2d:
    norm = InstanceShareNorm2d(channels, share, **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return norm


def _image(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    spread = torch.rand(shape[:2], generator=generator)[..., None, None] + 0.5
    return (torch.randn(shape, generator=generator) * spread + 0.7).to(dtype)


def _loop(norm: InstanceShareNorm2d, x: np.ndarray, *, training: bool) -> np.ndarray:
    """The formula, channel by channel and image by image."""
    out = np.empty_like(x)
    for c in range(x.shape[1]):
        a = float(norm.share[c])
        mean, variance = norm.running_mean[c].item(), norm.running_var[c].item()
        if training:
            mean, variance = x[:, c].mean(), x[:, c].var()
        for n in range(x.shape[0]):
            m = (1 - a) * mean + a * x[n, c].mean()
            v = (1 - a) * variance + a * x[n, c].var()
            normal = (x[n, c] - m) / np.sqrt(v + norm.eps)
            out[n, c] = normal * norm.weight[c].item() + norm.bias[c].item()
    return out


SHARES = {"batch": 0.0, "image": 1.0, "constant": 0.3, "mixed": torch.tensor([1.0, 1, 1, 0, 0, 0.25, 0.5, 0.9])}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", [BIG, SMALL, (1, 8, 64, 48)], ids=["big", "small", "single"])
@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
def test_it_equals_a_loop_over_channels_and_images(share, shape, training: bool) -> None:
    norm, x = _filled(share).train(training), _image(shape)
    before = copy.deepcopy(norm)
    expected = _loop(before, x.double().numpy(), training=training)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        own = copy.deepcopy(before)
        out = own(x.contiguous(memory_format=memory_format))
        assert out.is_contiguous(memory_format=memory_format)
        torch.testing.assert_close(out.double(), torch.from_numpy(expected), rtol=1e-4, atol=2e-5)
        reference = nn.BatchNorm2d(8).train(training)
        reference.load_state_dict(before.state_dict())
        reference(x)
        torch.testing.assert_close(own.running_mean, reference.running_mean)
        torch.testing.assert_close(own.running_var, reference.running_var)
        assert own.num_batches_tracked == reference.num_batches_tracked


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("form", ["kernel", "elementary"])
@pytest.mark.parametrize("share", [0.3, SHARES["mixed"][[0, 3, 5, 7]]], ids=["constant", "mixed"])
def test_gradients_are_those_of_finite_differences(share, form: str, training, monkeypatch) -> None:
    monkeypatch.setattr("segibn.models.share_norm.is_for_passes", lambda x: form == "kernel")
    norm = _filled(share, channels=4).double().train(training)
    x = _image((3, 4, 3, 5), torch.float64).requires_grad_()

    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        own = copy.deepcopy(norm)  # running statistics stay
        state = {"weight": weight, "bias": bias}
        return torch.func.functional_call(own, state, (x,))

    assert torch.autograd.gradcheck(forward, (x, norm.weight, norm.bias))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_a_share_of_nothing_is_batch_norm_to_the_bit(training: bool) -> None:
    norm, x = _filled(0.0).train(training), _image(BIG)
    batch = nn.BatchNorm2d(8).train(training)
    batch.load_state_dict(norm.state_dict())
    assert torch.equal(norm(x), batch(x))
    assert all(map(torch.equal, norm.state_dict().values(), batch.state_dict().values()))


def test_shares_of_one_and_nothing_are_ibn() -> None:
    ibn, x = InstanceBatchNorm2d(8, 0.5).eval(), _image(BIG)
    with torch.no_grad():
        for tensor in ibn.state_dict().values():
            if tensor.dim():
                tensor.uniform_(0.5, 2.0)
    norm = InstanceShareNorm2d.taking_over(ibn, 0.0)
    assert norm.share.tolist() == [1.0] * 4 + [0.0] * 4
    torch.testing.assert_close(norm(x), ibn(x))
    with_more = InstanceShareNorm2d.taking_over(norm, 0.1)
    torch.testing.assert_close(with_more.share, torch.tensor([1.0] * 4 + [0.1] * 4))


def test_one_pixel_keeps_the_batchs_part() -> None:
    norm, x = _filled(0.25), _image((4, 8, 1, 1))
    expected = _loop(norm, x.double().numpy(), training=True)
    out = norm.train()(x)
    torch.testing.assert_close(out.double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="more than one value"):
        norm(x[:1])


def test_statistics_are_float32_for_bfloat16() -> None:
    norm, x = _filled(0.3).eval(), _image(BIG, torch.bfloat16)
    out = norm(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), norm(x.float()), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"lies in 0\.\.1"):
        InstanceShareNorm2d(8, share)


def test_easing_goes_from_batch_norm_to_the_share_over_its_updates() -> None:
    eased, whole, x = _filled(0.4, ease=10).eval(), _filled(0.4).eval(), _image(BIG)
    assert torch.equal(eased(x), whole(x))  # nobody said that it is in training
    set_iteration(eased, 0)
    assert torch.equal(eased(x), _filled(0.0).eval()(x))
    set_iteration(eased, 5)
    torch.testing.assert_close(eased(x), _filled(0.2).eval()(x))
    set_iteration(eased, 10)
    assert torch.equal(eased(x), whole(x))


def test_a_norm_where_there_was_none_eases_in_from_its_input() -> None:
    norm, x = EasedInstanceNorm2d(8, ease=4), _image(SMALL)
    set_iteration(norm, 0)
    assert torch.equal(norm(x), x)
    assert norm.eval()(x) is x
    set_iteration(norm, 1)
    instance = nn.InstanceNorm2d(8)(x)
    torch.testing.assert_close(norm(x), 0.75 * x + 0.25 * instance)
    set_iteration(norm, 4)
    torch.testing.assert_close(norm(x), instance)


def test_compiled_and_exported_forms_equal_the_eager_one() -> None:
    norm, x = _filled(SHARES["mixed"]).eval(), _image(BIG)
    expected = norm(x)
    program = torch.export.export(norm, (x,))
    torch.testing.assert_close(program.module()(x), expected, rtol=1e-4, atol=1e-5)
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("norm" in name for name in names)


def test_compiled_code_follows_the_easing_without_being_compiled_again() -> None:
    norms = nn.Sequential(_filled(0.4, ease=10), EasedInstanceNorm2d(8, ease=10)).train()
    x, counts = _image(SMALL), CompileCounter()
    compiled = torch.compile(norms, backend=counts)
    for iteration in (0, 3, 9, 10):
        set_iteration(norms, iteration)
        torch.testing.assert_close(compiled(x), copy.deepcopy(norms)(x), rtol=1e-4, atol=1e-5)
    assert counts.frame_count == 1
