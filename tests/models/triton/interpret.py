"""Runs the kernels on the CPU in Triton's interpreter, against torch's own functions."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from segibn.models import ibn
from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.kernels import ibn_triton

LAYOUTS = (torch.contiguous_format, torch.channels_last)
CASES = (  # channels, ratio, batch first, (N, h, w)
    (6, 0.5, False, (3, 5, 7)),
    (37, 0.4, True, (2, 9, 31)),
    (4, 1.0, False, (2, 3, 1)),
    (3, 0.34, False, (1, 130, 131)),  # several parts in either layout
)


def published(norm: InstanceBatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    parts = [
        F.instance_norm(x[:, norm.instance_channels], None, None, norm.IN.weight, norm.IN.bias)
    ]
    if norm.BN is not None:
        parts.append(norm.BN(x[:, norm.batch_channels]))
    return torch.cat(parts[::-1] if norm.batch_first else parts, 1)


def check(case, layout, dtype, training) -> None:
    channels, ratio, batch_first, (images, height, width) = case
    torch.manual_seed(0)
    ours = InstanceBatchNorm2d(channels, ratio, batch_first=batch_first).to(dtype)
    for name, value in ours.named_parameters():
        nn.init.normal_(value, mean=float(name.endswith("weight")))
    other = copy.deepcopy(ours)
    ours.train(training), other.train(training)
    x = torch.randn(images, channels, height, width, dtype=dtype) * 2 + 30
    inputs = [x.clone(memory_format=layout).requires_grad_(), x.detach().clone().requires_grad_()]
    outputs = [ours(inputs[0]), published(other, inputs[1])]
    upstream = torch.randn_like(x)
    for out in outputs:
        out.backward(upstream)
    assert outputs[0].is_contiguous(memory_format=layout)
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-7, "atol": 1e-8}
    if dtype == torch.float32:  # both sides round the input, whose mean is 30, alike
        close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(*outputs, **close)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, **close)
    for name, parameter in other.named_parameters():
        grad = ours.get_parameter(name).grad
        torch.testing.assert_close(grad, parameter.grad, rtol=1e-4, atol=1e-3)
    for name, buffer in other.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-5, atol=1e-5)


def check_half_precision(layout, dtype) -> None:
    """Statistics are taken in float32: as exact as the published form on the values in float32."""
    torch.manual_seed(2)
    norm = InstanceBatchNorm2d(8).train()
    x = (torch.randn(2, 8, 30, 40) + 100).to(dtype).contiguous(memory_format=layout)
    out = norm(x)
    assert out.dtype == dtype
    expected = published(InstanceBatchNorm2d(8).train(), x.float())
    torch.testing.assert_close(out.float(), expected, rtol=1e-2, atol=1e-2)


def check_gradients(layout) -> None:
    torch.manual_seed(3)
    norm = InstanceBatchNorm2d(3).double()
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64).contiguous(memory_format=layout)
    for training in (True, False):
        norm.train(training)

        def function(x, *parameters):
            names = [name for name, _ in norm.named_parameters()]
            return torch.func.functional_call(norm, dict(zip(names, parameters, strict=True)), (x,))

        inputs = (x.requires_grad_(), *norm.parameters())
        assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


if __name__ == "__main__":
    ibn.passes_for = lambda x, use_triton: ibn_triton  # the interpreter works on CPU tensors
    for layout in LAYOUTS:
        for case in CASES:
            check(case, layout, torch.float32, training=True)
        check(CASES[1], layout, torch.float64, training=False)
        check_half_precision(layout, torch.bfloat16)
        check_gradients(layout)
