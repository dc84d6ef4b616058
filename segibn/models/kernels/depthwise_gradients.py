"""Depthwise convolutions of bfloat16 on a CPU: their gradients are computed in float32.

oneDNN has no fast kernel for these gradients in bfloat16: those of weights take 3 to 8 times as long
as in float32, those of inputs at a stride of 2 as well (``benchmarks/train_step.py --network lite``).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_Pair = tuple[int, int]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, dilation: _Pair) -> Tensor:
        ctx.how = stride, padding, dilation
        ctx.weight_dtype = weight.dtype
        image, weight = image.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(image, weight)
        return torch.conv2d(image, weight, None, stride, padding, dilation, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        given = (gradient.float(), image.float(), weight.float(), None, *ctx.how, False, (0, 0), len(weight))
        of_image, of_weight, _ = torch.ops.aten.convolution_backward(*given, (*ctx.needs_input_grad[:2], False))
        of_image = None if of_image is None else of_image.to(image.dtype)
        return of_image, None if of_weight is None else of_weight.to(ctx.weight_dtype), None, None, None


class DepthwiseGradientsInFloat32(TorchFunctionMode):
    """Within it depthwise convolutions in channels-last layout compute in bfloat16, their gradients in float32."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace ``conv2d`` where it is such a convolution; call everything else."""
        if func is F.conv2d and (found := _as_depthwise(*args, **(kwargs or {}))) is not None:
            return _Depthwise.apply(*found)
        return func(*args, **(kwargs or {}))


def _as_depthwise(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: int | _Pair = 1, padding: str | int | _Pair = 0, dilation: int | _Pair = 1, groups: int = 1,
) -> tuple[Tensor, Tensor, _Pair, _Pair, _Pair] | None:  # fmt: skip
    """Return what `_Depthwise` takes, or None for another convolution."""
    is_depthwise = 1 < groups == weight.shape[0] and weight.shape[1] == 1
    if not is_depthwise or bias is not None or isinstance(padding, str) or input.ndim != 4:
        return None
    if input.device.type != "cpu" or not input.is_contiguous(memory_format=torch.channels_last):
        return None
    return input, weight, _pair(stride), _pair(padding), _pair(dilation)


def _pair(value: int | _Pair) -> _Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
