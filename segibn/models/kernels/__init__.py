"""Operators written for speed: their eager, compiled, CPU and Triton forms.

In and out: (N, C, h, w). Each equals an operator of torch, and leaves graphs that are being
captured to that one.
"""

import torch


def is_eager() -> bool:
    """Whether operators are called one by one: neither a compiler nor a tracer captures a graph."""
    return not torch.compiler.is_compiling() and not torch.jit.is_tracing()
