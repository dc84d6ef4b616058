"""Which number format the network computes in; losses and statistics stay in float32."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch

from segibn.devices import computes_bfloat16
from segibn.errors import ConfigError
from segibn.models.kernels.depthwise_gradients import DepthwiseGradientsInFloat32

Precision = Literal["auto", "float32", "tf32", "bfloat16", "float16"]


def choose_dtype(precision: Precision, device: torch.device, option: str = "engine.precision") -> torch.dtype:
    """Return the dtype to compute in; auto = bfloat16 where the device has instructions for it."""
    if precision in ("float16", "tf32") and device.type != "cuda":
        raise ConfigError(f"{option} {precision} needs a CUDA device; use auto, float32 or bfloat16")
    if device.type not in ("cuda", "cpu") and precision not in ("auto", "float32"):
        raise ConfigError(f"{option} {precision} on {device.type}; use auto or float32")
    if precision == "tf32":
        return torch.float32
    if precision != "auto":
        return getattr(torch, precision)
    return torch.bfloat16 if computes_bfloat16(device) else torch.float32


def describe_precision(precision: Precision, dtype: torch.dtype) -> str:
    """Return what is computed in, in a word: "bfloat16", "float32", "tf32"."""
    return "tf32" if precision == "tf32" else str(dtype).removeprefix("torch.")


def apply_tf32(precision: Precision, device: torch.device) -> None:
    """Let float32 matrix products and convolutions round to TF32 if ``tf32`` asks so, else not."""
    # torch allows it for convolutions unless told otherwise.
    if device.type == "cuda":
        allowed = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def autocast(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Run the network in a number format; no autocast at all for float32."""
    with ExitStack() as stack:
        if dtype == torch.bfloat16 and device.type == "cpu" and not torch.compiler.is_compiling():
            stack.enter_context(DepthwiseGradientsInFloat32())
        if dtype != torch.float32:
            stack.enter_context(torch.autocast(device.type, dtype=dtype))
        yield
