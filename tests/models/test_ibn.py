import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d
from segibn.models.kernels import ibn_unsplit


def _formula(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5)


@pytest.mark.parametrize(
    ("channels", "ratio", "num_instance"),
    [(64, 0.5, 32), (8, 0.25, 2), (8, 0.75, 6), (7, 0.5, 3), (6, 0.0, 0), (6, 1.0, 6)],
)
def test_first_channels_are_normalised_per_image_and_the_rest_per_batch(
    channels: int, ratio: float, num_instance: int
) -> None:
    x = np.random.default_rng(0).normal(1.0, 3.0, (3, channels, 5, 4))
    expected = np.concatenate([_formula(x[:, :num_instance], (2, 3)), _formula(x[:, num_instance:], (0, 2, 3))], axis=1)
    norm = InstanceBatchNorm2d(channels, ratio).double()
    torch.testing.assert_close(norm(torch.from_numpy(x)), torch.from_numpy(expected))


def test_a_ratio_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lies in 0\.\.1, got 1\.5"):
        InstanceBatchNorm2d(8, 1.5)


def test_a_training_step_equals_the_published_module(filled, golden, assert_golden) -> None:
    expected = golden("ibn_module")
    norm = filled(InstanceBatchNorm2d, 64).train()
    x = torch.from_numpy(np.random.RandomState(7).randn(4, 64, 5, 6) * 2 + 0.5).float()
    upstream = torch.from_numpy(np.random.RandomState(8).randn(4, 64, 5, 6)).float()
    x.requires_grad_()
    out = norm(x)
    out.backward(upstream)
    assert_golden(expected, "train_out", out)
    assert_golden(expected, "train_grad_x", x.grad)
    for name, parameter in norm.named_parameters():
        assert_golden(expected, f"train_grad/{name}", parameter.grad)
    assert_golden(expected, "after/BN.running_mean", norm.BN.running_mean)
    assert_golden(expected, "after/BN.running_var", norm.BN.running_var)
    assert_golden(expected, "eval_out_after_one_train_step", norm.eval()(x))


def test_instance_norm_equals_torch_with_gradients_and_keeps_channels_last() -> None:
    torch.manual_seed(0)
    ours, reference = InstanceNorm2d(6), nn.InstanceNorm2d(6, affine=True)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    reference.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 5, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = x.detach().clone().requires_grad_()
    upstream = torch.randn(2, 6, 5, 7)
    out, expected = ours(x), reference(y)
    out.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.weight.grad, reference.weight.grad, atol=1e-5, rtol=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_mean_that_outweighs_the_spread_costs_no_digits(layout: torch.memory_format) -> None:
    x = 100 + torch.randn(2, 16, 44, 80)
    expected = _formula(x.double().numpy(), (2, 3))
    out = InstanceNorm2d(16)(x.contiguous(memory_format=layout))
    torch.testing.assert_close(out.double(), torch.from_numpy(expected), atol=1e-4, rtol=1e-4)


def test_instance_norm_is_the_same_in_training_and_evaluation() -> None:
    x = torch.randn(2, 4, 3, 3)
    norm = InstanceNorm2d(4)
    assert torch.equal(norm.train()(x), norm.eval()(x))


def test_an_image_is_normalised_alike_whatever_else_is_in_the_batch() -> None:
    x = torch.randn(3, 4, 5, 5)
    norm = InstanceNorm2d(4)
    torch.testing.assert_close(norm(x)[:1], norm(x[:1]))


@pytest.mark.parametrize("images", [1, 2])
def test_a_single_pixel_becomes_the_bias(images: int) -> None:
    norm = InstanceNorm2d(4)
    nn.init.normal_(norm.bias)
    out = norm(torch.randn(images, 4, 1, 1))
    torch.testing.assert_close(out, norm.bias.view(1, 4, 1, 1).expand(images, 4, 1, 1))
    # Also inside IBN in evaluation, where the batch half needs no more than one pixel either.
    assert InstanceBatchNorm2d(8).eval()(torch.randn(images, 8, 1, 1)).isfinite().all()


def test_half_precision_activations_stay_half() -> None:
    x = torch.randn(2, 8, 5, 5, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert InstanceBatchNorm2d(8)(x).dtype == torch.bfloat16


def test_on_several_devices_only_the_batch_half_is_synchronised() -> None:
    norm = nn.SyncBatchNorm.convert_sync_batchnorm(InstanceBatchNorm2d(8))
    assert isinstance(norm.BN, nn.SyncBatchNorm)
    assert type(norm.IN) is InstanceNorm2d
    assert norm.state_dict().keys() == InstanceBatchNorm2d(8).state_dict().keys()


def _twins(channels: int, ratio: float, **options) -> tuple[InstanceBatchNorm2d, nn.Module]:
    """The module, and the same weights in the form that splits, copies and joins."""
    ours = InstanceBatchNorm2d(channels, ratio, **options)
    for name, value in ours.named_parameters():
        nn.init.normal_(value, mean=float(name.endswith("weight")))
    return ours, copy.deepcopy(ours)


def published_form(norm: InstanceBatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """The two halves by torch's own functions, joined; running statistics are updated."""
    parts = []
    if norm.IN is not None:
        instance = x[:, norm.instance_channels]
        parts.append(F.instance_norm(instance, weight=norm.IN.weight, bias=norm.IN.bias))
    if norm.BN is not None:
        bn, batch = norm.BN, x[:, norm.batch_channels]
        parts.append(F.batch_norm(*(batch, bn.running_mean, bn.running_var, bn.weight, bn.bias), training=bn.training))
    return torch.cat(parts[::-1] if norm.batch_first else parts, dim=1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("ratio", "batch_first"), [(0.5, False), (0.25, False), (0.4, True), (1.0, False)])
@pytest.mark.parametrize("training", [True, False])
def test_the_unsplit_form_on_a_cpu_equals_the_published_one(
    layout: torch.memory_format, dtype: torch.dtype, ratio: float, batch_first: bool, training: bool
) -> None:
    torch.manual_seed(0)
    ours, other = _twins(33, ratio, batch_first=batch_first)
    ours.train(training), other.train(training)
    x = (torch.randn(3, 33, 50, 61) * torch.rand(3, 33, 1, 1) * 3 + torch.randn(3, 33, 1, 1)).to(dtype)
    laid_out = x.clone(memory_format=layout).requires_grad_()
    plain = x.clone().requires_grad_()
    assert ibn_unsplit.is_for_passes(laid_out)
    upstream = torch.randn_like(x)
    out, expected = ours(laid_out), published_form(other, plain.float()).to(dtype)
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=layout)
    out.backward(upstream)
    expected.backward(upstream)
    # bfloat16: three roundings against two
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.03}
    torch.testing.assert_close(out, expected, **close)
    torch.testing.assert_close(laid_out.grad, plain.grad, **close)
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad, rtol=1e-4, atol=1e-2)
    for name, buffer in other.named_buffers():
        if "num_batches" not in name:
            torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_the_unsplit_form_are_those_of_finite_differences(
    layout: torch.memory_format, monkeypatch
) -> None:
    monkeypatch.setattr(ibn_unsplit, "_WORTHWHILE", 1)
    torch.manual_seed(0)
    norm, _ = _twins(3, 0.5)
    norm = norm.double()
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64).contiguous(memory_format=layout)
    x.requires_grad_()
    assert ibn_unsplit.is_for_passes(x)

    def function(x, *parameters):
        names = [name for name, _ in norm.named_parameters()]
        return torch.func.functional_call(norm, dict(zip(names, parameters, strict=True)), (x,))

    for training in (True, False):
        norm.train(training)
        assert torch.autograd.gradcheck(function, (x, *norm.parameters()), nondet_tol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_large_mean_costs_the_unsplit_form_no_digits(layout: torch.memory_format) -> None:
    x = (300 + torch.randn(2, 16, 44, 80)).contiguous(memory_format=layout)
    expected = _formula(x.double().numpy(), (2, 3))
    assert ibn_unsplit.is_for_passes(x)
    out = InstanceBatchNorm2d(16, 1.0)(x)
    torch.testing.assert_close(out.double(), torch.from_numpy(expected), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("ratio", "batch_first"), [(0.5, False), (0.4, True)])
def test_the_formula_for_compilers_equals_the_split_form(ratio: float, batch_first: bool, training: bool) -> None:
    torch.manual_seed(0)
    ours, split = _twins(9, ratio, batch_first=batch_first)
    ours.train(training), split.train(training)
    x = torch.randn(3, 9, 5, 6) * 2 + 1
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [ours.formula_form(inputs[0]), split.split_form(inputs[1])]
    upstream = torch.randn_like(x)
    for out in outputs:
        out.backward(upstream)
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-5, rtol=1e-5)
    for name, parameter in split.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad)
    for name, buffer in split.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer)


@pytest.mark.slow
def test_a_compiled_layer_equals_the_eager_one() -> None:
    torch.manual_seed(0)
    eager, other = _twins(16, 0.5)
    compiled = torch.compile(other, fullgraph=True)
    x = torch.randn(2, 16, 24, 32).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(compiled(x), eager(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(other.BN.running_var, eager.BN.running_var)


@pytest.mark.parametrize("norm", [InstanceBatchNorm2d(8), InstanceNorm2d(8, affine=False)])
def test_an_exported_layer_is_the_plain_one(norm: nn.Module) -> None:
    norm = norm.eval()
    x = torch.randn(1, 8, 5, 5)
    program = torch.export.export(norm, (x,))
    torch.testing.assert_close(program.module()(x), norm(x))
