"""Which device computes, by the name that a user gives, and what devices cannot do."""

import ctypes
import os

import torch

from segibn.errors import ConfigError
from segibn.text import printable

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # glibc's numbers of the options of mallopt


def local_rank() -> int:
    """The rank within this machine, which is also the GPU to use."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def default_device() -> torch.device:
    """Return what SEGIBN_DEVICE names (mps and xpu only so), else this rank's GPU, else the CPU."""
    if name := os.environ.get("SEGIBN_DEVICE"):
        return device_named(name, "SEGIBN_DEVICE=")
    if torch.cuda.is_available():
        return torch.device("cuda", local_rank())
    return torch.device("cpu")


def device_named(name: str, said_by: str = "--device ") -> torch.device:
    """Return a device by name: cpu, cuda (this rank's own), cuda:1, gpu (= cuda), mps, xpu.

    In the ConfigError of a device that is not there ``said_by`` stands before its name.
    """
    kind, colon, number = name.strip().lower().partition(":")
    kind = "cuda" if kind == "gpu" else kind
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "xpu": torch.xpu.device_count() if torch.xpu.is_available() else 0,
    }
    there = {name: count for name, count in counts.items() if count}
    if kind in there and (not colon or (number.isdecimal() and int(number) < there[kind])):
        index = int(number) if colon else min(local_rank(), there[kind] - 1)
        return torch.device(kind) if kind == "cpu" else torch.device(kind, index)
    names = ", ".join(k if n == 1 else f"{k}:0 to {k}:{n - 1}" for k, n in there.items())
    reason = ""
    if kind == "cuda" and kind not in there and torch.version.cuda is None:
        reason = "; this PyTorch is built without CUDA, see https://pytorch.org/get-started"
    elif kind == "mps" and kind not in there and torch.backends.mps.is_built():
        reason = "; Apple's GPU needs macOS 12.3 or later"
    raise ConfigError(f"{said_by}{printable(name)}: this machine has {names}{reason}")


def accurate_dtype(device: torch.device) -> torch.dtype:
    """Return what sums over many pixels are kept in: float64, which Apple's GPUs lack."""
    return torch.float32 if device.type == "mps" else torch.float64


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; elsewhere it is emulated and slower."""
    if device.type not in ("cuda", "cpu"):
        return False
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def keep_freed_memory() -> None:
    """Let the C library keep the pages of large tensors: made anew, they cost an update a sixth of its time.

    Only glibc can; what is kept is what one update needs.
    """
    if mallopt := getattr(ctypes.CDLL(None) if os.name == "posix" else None, "mallopt", None):
        mallopt(_MMAP_THRESHOLD, 1 << 30)
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)


def image_layout(device: torch.device, channels_last: bool = True) -> torch.memory_format:
    """Return channels last if asked to, where that is known to be right."""
    known = device.type in ("cpu", "cuda")
    return torch.channels_last if known and channels_last else torch.contiguous_format
