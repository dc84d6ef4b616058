"""Whether instance and instance-batch normalisation on CUDA uses Triton kernels.

In and out: (N, C, h, w), NCHW or channels-last, the layout stays. Before a device is first used,
a small case is computed and compared with the plain form: without Triton, without a C compiler for
its launcher, or with a wrong result the plain form serves, and one warning says so.
``SEGIBN_TRITON=0`` switches the kernels off.
"""

import importlib.util
import logging
import os
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.models.kernels.ibn_unsplit import Passes

logger = logging.getLogger(__name__)

MOST_IMAGES = 4096
"""Per batch: their moments are joined by one program."""

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def is_worthwhile(x: Tensor) -> bool:
    """Whether the kernels take this tensor; False while a graph is captured."""
    # First, since sizes asked for while a graph is captured become conditions of the graph.
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return (
        x.is_cuda
        and x.dim() == 4
        and 0 < x.shape[0] <= MOST_IMAGES
        and 0 < x[0].numel() < 2**31
        and x.shape[2] * x.shape[3] > 1
        and x.dtype in _DTYPES
        and (x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last))
        and _works_on(x.device)
    )


class Halves(NamedTuple):
    """What is normalised how; a half that is not there is None.

    Attributes:
        instance_weight: of the instance half.
        instance_bias: likewise.
        instance_first: its first channel.
        batch: the batch half, whose running statistics are updated in training.
        batch_first: its first channel.
    """

    instance_weight: Tensor
    instance_bias: Tensor
    instance_first: int = 0
    batch: nn.BatchNorm2d | None = None
    batch_first: int = 0


def normalize(x: Tensor, halves: Halves, eps: float) -> Tensor:
    """Normalise a tensor that ``is_worthwhile``; the batch half in the mode that it is in."""
    from segibn.models.kernels.ibn_launch import NormalizeHalves  # imports Triton

    batch = halves.batch
    weight, bias = (None, None) if batch is None else (batch.weight, batch.bias)
    return NormalizeHalves.apply(
        x, halves.instance_weight, halves.instance_bias, weight, bias, halves, eps
    )


def passes() -> Passes:
    """The kernels one by one, for statistics that are joined over ranks between them."""
    from segibn.models.kernels import ibn_launch

    return Passes(
        ibn_launch.image_moments,
        ibn_launch.normalize,
        ibn_launch.gradient_sums,
        ibn_launch.input_gradient,
    )


@cache
def _works_on(device: torch.device) -> bool:
    """Whether a small case comes out right on this device; the kernels are compiled by it."""
    if os.environ.get("SEGIBN_TRITON", "1") == "0" or importlib.util.find_spec("triton") is None:
        return False
    try:
        with torch.cuda.device(device):
            wrong = self_check(device)
    except Exception as error:  # a missing compiler, an old driver: whatever Triton may raise
        wrong = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
    if wrong:
        logger.warning("IBN on %s uses the plain form, its kernels do not work: %s", device, wrong)
    return not wrong


@torch.inference_mode(False)
def self_check(device: torch.device) -> str:
    """Compare a small case in both layouts with the plain form; return what is wrong, or ""."""
    for layout in (torch.contiguous_format, torch.channels_last):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(2, 7, 9, 5, generator=generator).mul_(2).add_(3).to(device)
        upstream = torch.randn(x.shape, generator=generator).to(device)
        batch = nn.BatchNorm2d(4).to(device)
        formats = (layout, torch.contiguous_format)
        inputs = [x.clone(memory_format=f).requires_grad_() for f in formats]
        weight, bias = torch.full((3,), 1.5, device=device), torch.ones(3, device=device)
        # The first use may be a prediction, where autograd is off, or under autocast.
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            out = normalize(inputs[0], Halves(weight, bias, 0, batch, 3), batch.eps)
            instance = F.instance_norm(inputs[1][:, :3], weight=weight, bias=bias)
            parts = [instance, F.batch_norm(inputs[1][:, 3:], None, None, training=True)]
            expected = torch.cat(parts, 1)
            for result in (out, expected):
                result.backward(upstream)
        pairs = {"output": (out, expected), "gradient": (inputs[0].grad, inputs[1].grad)}
        for name, (ours, plain) in pairs.items():
            if not torch.allclose(ours, plain, rtol=1e-4, atol=1e-4):
                return f"{name} is off by {(ours - plain).abs().max().item():.1e} ({layout})"
    return ""
