"""Run lengths of binary masks in COCO's compressed form: down the columns, zeros first."""

import re
from typing import Any

import numpy as np

from segibn.errors import ImageFileError
from segibn.extras import require

# Six bits a character from "0" on; of those, bit 5 says that the number goes on.
_MAX_BITS = 35  # of a number: runs are 32-bit
_COUNTS = re.compile(r"[0-o]*[0-O]")


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool -> {"counts": ..., "size": [H, W]}; ConfigError without pycocotools."""
    require("rle", "pycocotools", purpose="run-length JSON", instead="use a zip of PNGs")
    from pycocotools import mask as coco

    packed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"counts": packed["counts"].decode("ascii"), "size": list(mask.shape)}


def decode_rle(rle: object, size: tuple[int, int]) -> np.ndarray:
    """Decode the value of a key ``rle``, of any kind -> (H, W) bool.

    What is no mask of this size is an ImageFileError, a plural without the file's name.
    """
    # Not by pycocotools, which reads memory that is not its own where runs are too short.
    if not isinstance(rle, dict) or not isinstance(rle.get("counts"), str):
        raise ImageFileError("labels without rle.counts (a string) and rle.size")
    if rle.get("size") != list(size):
        raise ImageFileError(f"masks whose rle.size is not [{size[0]}, {size[1]}]")
    # A run has at least one character, so the text bounds the work too.
    runs = _runs(rle["counts"]) if _COUNTS.fullmatch(rle["counts"]) else [-1]
    if sum(runs) != size[0] * size[1]:
        raise ImageFileError("damaged run lengths")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size, order="F")


def _runs(counts: str) -> list[int]:
    """Return the run lengths; [-1] if one is negative or has more than 35 bits.

    A number has five bits a character, lowest first, and a sign; from the fourth run on it is the
    difference to the run before the last (rleFrString in COCO's maskApi.c).
    """
    runs: list[int] = []
    value = shift = 0
    for code in counts.encode("ascii"):
        bits = code - 48
        value |= (bits & 31) << shift
        shift += 5
        if shift > _MAX_BITS:
            return [-1]
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            return [-1]
        runs.append(value)
        value = shift = 0
    return runs
