"""Masks as COCO's compressed run lengths, through pycocotools; needs no torch.

In: ``{"counts": text, "size": [H, W]}``, runs down the columns. Out: a mask, and back. pycocotools
is an extra (``pip install "segibn[rle]"``), imported when the first mask comes.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from segibn.errors import ImageFileError, SegibnError

_MAX_PIXELS = 1 << 28
_FIRST, _LAST = 48, 111  # the 64 characters that stand for six bits each
_CONTINUES = 32  # set in all but the last character of a number
_LONGEST = 7  # characters of a number: five bits each, runs have 32


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Encode a mask.

    Args:
        mask: (H, W), non-zero inside. Not modified.

    Returns:
        ``{"counts": text, "size": [H, W]}``, plain JSON values.
    """
    encoded = _pycocotools().encode(np.asfortranarray(mask != 0, dtype=np.uint8))
    return {"counts": encoded["counts"].decode("ascii"), "size": list(mask.shape)}


def decode_rle(rle: Any, source: str = "RLE") -> np.ndarray:
    """Decode a mask.

    The text is checked first: the decoder would read beyond the end of a damaged one.

    Args:
        rle: see the module.
        source: file and frame, for messages.

    Returns:
        (H, W) bool.

    Raises:
        ImageFileError: not such a mapping, a damaged text, or runs longer than the size allows.
        SegibnError: pycocotools is not installed.
    """
    if not isinstance(rle, Mapping) or not isinstance(rle.get("counts"), str):
        raise ImageFileError(f"{source}: expected {{'counts': compressed text, 'size': [H, W]}}")
    size = rle.get("size")
    whole = isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)
    if not whole or min(size) < 1 or size[0] * size[1] > _MAX_PIXELS:
        raise ImageFileError(f"{source}: RLE size {size!r} is not [height, width]")
    counts = rle["counts"].encode("utf-8")
    if not _is_complete(counts):
        raise ImageFileError(f"{source}: RLE counts are damaged; write them again")
    try:
        mask = _pycocotools().decode({"counts": counts, "size": size})
    except ValueError as error:
        raise ImageFileError(
            f"{source}: RLE does not fill {size[0]}x{size[1]} ({error})"
        ) from error
    return mask.astype(bool)


def _is_complete(counts: bytes) -> bool:
    """Say whether a text consists of whole numbers in COCO's alphabet."""
    if not counts:
        return False
    values = np.frombuffer(counts, np.uint8)
    if values.min() < _FIRST or values.max() > _LAST:
        return False
    ends = np.flatnonzero(((values - _FIRST) & _CONTINUES) == 0)
    lengths = np.diff(ends, prepend=-1)
    return len(ends) > 0 and ends[-1] == len(values) - 1 and lengths.max() <= _LONGEST


def _pycocotools() -> ModuleType:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise SegibnError(
            'run lengths (RLE) need pycocotools; install it with pip install "segibn[rle]"'
        ) from error
    return mask
