"""The IBN layer on a GPU: eager and compiled."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segibn.models.ibn import InstanceBatchNorm2d

pytestmark = pytest.mark.gpu


def _published(norm: InstanceBatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    instance = F.instance_norm(x[:, norm.instance_channels], weight=norm.IN.weight, bias=norm.IN.bias)
    return torch.cat([instance, norm.BN(x[:, norm.batch_channels])], dim=1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", ["eager", "compiled"])
@pytest.mark.parametrize("shape", [(2, 64, 192, 192), (5, 256, 48, 48), (3, 33, 17, 29)])
def test_a_training_step_on_a_gpu_equals_the_published_form(
    layout: torch.memory_format, dtype: torch.dtype, form: str, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    ours = InstanceBatchNorm2d(shape[1]).cuda()
    for name, value in ours.named_parameters():
        nn.init.normal_(value, mean=float(name.endswith("weight")))
    other = copy.deepcopy(ours)
    x = (torch.randn(shape, device="cuda") * 2 + 3).to(dtype)
    laid_out = x.clone(memory_format=layout).requires_grad_()
    plain = x.float().requires_grad_()
    out = (torch.compile(ours) if form == "compiled" else ours)(laid_out)
    expected = _published(other, plain)
    upstream = torch.randn_like(expected).to(dtype)
    out.backward(upstream)
    expected.backward(upstream.float())
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=layout)
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.03, "rtol": 0.03}
    torch.testing.assert_close(out.float(), expected, **close)
    torch.testing.assert_close(laid_out.grad.float(), plain.grad, **close)
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad, rtol=1e-3, atol=0.1)
    for name, buffer in other.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-4, atol=1e-4)
    ours.eval(), other.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(laid_out).float(), _published(other, x.float()), **close)
