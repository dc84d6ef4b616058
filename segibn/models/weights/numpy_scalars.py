"""NumPy numbers inside checkpoints of other programs, read without calling NumPy's own code.

RobustNet saves its score, a NumPy float, beside the weights; torch's safe reader refuses such
files. In: the pickled parts of one number. Out: a plain Python number. NumPy's own constructors
take a state that describes memory, so they are not handed to a file; these two take letters, of
which they know eleven.
"""

import struct
from typing import Any

# NumPy's names of types -> those of the struct module.
_LETTERS = {"f2": "e", "f4": "f", "f8": "d", "b1": "?"} | {
    f"{kind}{size}": letter
    for kind, letters in {"i": "bhiq", "u": "BHIQ"}.items()
    for size, letter in zip((1, 2, 4, 8), letters, strict=True)
}


class OtherTypeError(ValueError):
    """A NumPy value that is no plain number; the message is its type."""


class _Type:
    """Stands for `numpy.dtype`: the name of a type and its byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        if name not in _LETTERS:
            raise OtherTypeError(f"numpy {name}")
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _number(kind: _Type, data: bytes) -> float | int | bool:
    """Stands for `numpy.core.multiarray.scalar`: one number from its bytes."""
    return struct.unpack(kind.order + _LETTERS[kind.name], data)[0]


# What `torch.serialization.safe_globals` takes: (function, the name that it has in the file). NumPy
# 2 moved its inner modules.
NUMPY_SCALARS = [
    (_Type, "numpy.dtype"),
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
]
