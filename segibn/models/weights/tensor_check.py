"""Checks of what a file holds before memory is taken for it: no size that it states is believed."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from segibn.errors import CheckpointError
from segibn.text import printable

# Half precision and float64 become the float32 that every network here computes from.
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
LONGEST_KEY = 500
_LARGEST = torch.finfo(torch.float32).max
_MOST_SPREAD = 64 << 20  # bytes that strides of 0 may add: zeros(64, 64) by one number is well
_MOST_VALUES = 50_000  # a ResNet-101 with the state of AdamW has 2,000
_MOST_DEPTH = 32
_DENSE = "save the network's state_dict() as dense tensors of floating-point numbers"
_DIVERGED = "the training that wrote it had diverged: take an earlier checkpoint"


def check_tree(tree: Any, source: str) -> None:
    """Check that a file's content is plain: dicts, lists, numbers, texts and dense tensors."""
    left: list[tuple[str, Any, int]] = [("", tree, 0)]
    tensors: list[tuple[str, Tensor]] = []
    visited = 0
    while left:
        place, node, depth = left.pop()
        visited += 1
        # The same list may stand at many places: a small file can unfold without end.
        if visited + len(left) > _MOST_VALUES or depth > _MOST_DEPTH:
            raise CheckpointError(f"{source}: holds more, or nested deeper, than a checkpoint can")
        if isinstance(node, Tensor):
            if f"{place}.".startswith("config."):
                _raise("is a tensor, which no config holds", place, source)
            tensors.append((place, node))
        elif isinstance(node, Mapping):
            for key, value in node.items():
                if type(key) not in (str, int) or len(str(key)) > LONGEST_KEY:
                    where = f" in {printable(place)}" if place else ""
                    what = f"a key{where} is {printable(repr(key)[:80])}, not a name"
                    raise CheckpointError(f"{source}: {what}; {_DENSE}")
                left.append((f"{place}.{key}" if place else str(key), value, depth + 1))
        elif isinstance(node, list | tuple):
            left += ((f"{place}[{index}]", value, depth + 1) for index, value in enumerate(node))
        elif isinstance(node, int) and abs(node) >= 1 << 63:
            _raise("is a number of more than 64 bits", place, source)
        elif node is not None and not isinstance(node, str | int | float):
            _raise(f"is a {type(node).__name__}, which no checkpoint holds", place, source)
    _check_shapes(tensors, source)


def check_tensors(state: Mapping[str, Tensor], source: str) -> None:
    """Check that tensors by name are dense, backed by memory, of usual types and finite."""
    _check_shapes(state.items(), source)
    check_finite(state, source)


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Raise a `CheckpointError` that names the first tensor with NaN or infinities, if any."""
    for name, value in state.items():
        if value.is_floating_point() and value.numel():
            low, high = (float(bound) for bound in value.detach().aminmax())
            if not (low >= -_LARGEST and high <= _LARGEST):
                _raise(f"holds {'NaN' if low != low else 'infinite values'}; {_DIVERGED}", name, source)


def largest_magnitude(tensors: Iterable[Tensor]) -> Tensor | None:
    """The largest absolute value of float tensors, 0-dim, NaN if one is NaN; None of none."""
    bounds = [
        torch.linalg.vector_norm(value.detach(), torch.inf).float()
        for value in tensors
        if value.is_floating_point() and value.numel()
    ]
    # An optimiser may count its steps on the host.
    return torch.stack([bound.to(bounds[0].device) for bound in bounds]).amax() if bounds else None


def _raise(fault: str, name: str, source: str) -> None:
    raise CheckpointError(f"{source}: {printable(name)[:200]} {fault}")


def _check_shapes(tensors: Collection[tuple[str, Tensor]], source: str) -> None:
    """Check types and layouts, and that the shapes do not add up to more than the file has."""
    held: dict[int, int] = {}
    for name, value in tensors:
        faults = {
            "is quantised": value.is_quantized,
            f"is sparse ({value.layout})": value.layout != torch.strided,
            f"is of type {str(value.dtype).removeprefix('torch.')}": value.dtype not in _FLOATS + _INTEGERS,
            "has a shape but no values": value.device.type == "meta",
        }
        for fault in (fault for fault, is_so in faults.items() if is_so):
            _raise(f"{fault}; {_DENSE}", name, source)
        storage = value.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
    claims = [(value.numel() * value.element_size(), name) for name, value in tensors]
    there = sum(held.values())
    if sum(size for size, _ in claims) > there + _MOST_SPREAD:
        size, name = max(claims)
        _raise(f"claims {size:,} bytes, all tensors of the file have {there:,}; {_DENSE}", name, source)
