"""Reading files of tensors safely, and saying in few words how two sets of tensors differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segibn.errors import CheckpointError


def read_torch_file(path: Path) -> dict[str, Any]:
    """Read a file that holds a dict, onto the CPU; nothing in the file is executed.

    Raises:
        CheckpointError: missing, not a file that torch reads safely, or without a dict.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # arbitrary bytes make torch's reader fail in arbitrary ways
        reason = str(error).strip().split("\n", 1)[0][:160]
        raise CheckpointError(
            f"{path} is not a file of weights that torch can read safely, or it is cut short "
            f"({type(error).__name__}: {reason})"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a dict of weights; save a state_dict()"
        )
    return dict(content)


def compare_states(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """List where two state dicts differ; empty when the one can be loaded as the other.

    Returns:
        Lines such as "conv1.weight has shape (64, 3, 3, 3), expected (64, 3, 7, 7)",
        "missing KEY" and "unknown KEY", in this order.
    """
    shapes = [
        f"{key} has shape {tuple(found[key].shape)}, expected {tuple(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    missing = [f"missing {key}" for key in expected if key not in found]
    return shapes + missing + [f"unknown {key}" for key in found if key not in expected]


def shortened(lines: Sequence[str], limit: int = 6) -> str:
    """The first lines, indented, and how many more there are."""
    shown = [f"  {line}" for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"  ... and {len(lines) - limit} more")
    return "\n".join(shown)
