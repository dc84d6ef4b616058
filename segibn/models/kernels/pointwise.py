"""1x1 convolutions whose weights get their bfloat16 gradient from one matrix product on a CPU.

oneDNN's product takes three quarters of its convolution's time and sums in float32 likewise.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from segibn.models.kernels import is_eager

# Weights below which nothing is won (measured on Zen 4).
_WORTHWHILE = 256 * 1024


class PointwiseConv2d(nn.Conv2d):
    """Equals `nn.Conv2d(in_channels, out_channels, 1, bias=False)`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, h, w)."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if (
            dtype == torch.bfloat16
            and x.device.type == "cpu"
            and self.weight.numel() >= _WORTHWHILE
            and torch.is_grad_enabled()
            and self.weight.requires_grad
            and x.is_contiguous(memory_format=torch.channels_last)
            and is_eager()
        ):
            return _Pointwise.apply(x.to(dtype), self.weight.to(dtype))
        return super().forward(x)


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)  # type: ignore[attr-defined]
        return F.conv2d(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):  # type: ignore[no-untyped-def]
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            no_bias = (True, False, False)
            options = ((1, 1), (0, 0), (1, 1), False, (0, 0), 1, no_bias)
            grad_x = torch.ops.aten.convolution_backward(grad, x, weight, None, *options)[0]
        if ctx.needs_input_grad[1]:
            grad_weight = (_pixels(grad).T @ _pixels(x)).view_as(weight)
        return grad_x, grad_weight


def _pixels(x: Tensor) -> Tensor:
    """(N, C, h, w), channels-last -> (N * h * w, C), the same memory."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)
