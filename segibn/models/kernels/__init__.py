"""Operators written for speed: each equals one of torch, which captured graphs get instead."""

import torch


def is_eager() -> bool:
    """Whether operators are called one by one: neither a compiler nor a tracer captures a graph."""
    return not torch.compiler.is_compiling() and not torch.jit.is_tracing()
