"""Run lengths of binary masks in COCO's compressed form: down the columns, zeros first."""

import re
from typing import Any

import numpy as np

from segibn.errors import ImageFileError
from segibn.extras import require

# Six bits a character from "0" on; of those, bit 5 says that the number goes on. Runs are 32-bit.
_COUNTS = re.compile(r"([P-o]{0,6}[0-O])+")


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
    if not _COUNTS.fullmatch(rle["counts"]):
        raise ImageFileError("damaged run lengths")
    # A number has five bits a character, lowest first, and a sign; from the fourth run on it is the
    # difference to the run before the last (rleFrString in COCO's maskApi.c).
    codes = np.frombuffer(rle["counts"].encode("ascii"), np.uint8).astype(np.int64) - 48
    lengths = np.diff(np.flatnonzero(codes < 32), prepend=-1)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    runs = np.add.reduceat((codes & 31) << 5 * places, starts)
    runs -= (codes[starts + lengths - 1] >> 4 & 1) << 5 * lengths
    for first in (1, 2):
        runs[first::2] = np.cumsum(runs[first::2])
    pixels = size[0] * size[1]
    if runs.min() < 0 or runs.max() > pixels or runs.sum() != pixels:
        raise ImageFileError("damaged run lengths")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size, order="F")
