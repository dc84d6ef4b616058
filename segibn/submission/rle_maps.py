"""Label maps as BDD100K's run-length JSON: a line a frame out, and read back.

The layout is scalabel's, as ``bdd100k.eval.run`` reads it: a list of frames, or an object with it under ``frames``; a
frame has the image's ``name`` and ``labels``, each with a ``category`` and the run lengths of its mask in COCO's
compressed form: down the columns, zeros first. Pixels without a label are background in drivable area, else void.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segibn.errors import ImageFileError, SubmissionError
from segibn.extras import require
from segibn.labels.label_set import IGNORE_INDEX
from segibn.submission.expected import Expected
from segibn.submission.formats import Format, Size
from segibn.submission.report import Entry, Findings
from segibn.text import printable, read_small_file
from segibn.text.plain_data import parse_json

_MAX_BYTES = 1 << 29  # of a file; 20,000 frames of drivable area take about a tenth
# Six bits a character from "0" on; of those, bit 5 says that the number goes on. Runs are 32-bit.
_COUNTS = re.compile(r"([P-o]{0,6}[0-O])+")


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool -> {"counts": ..., "size": [H, W]}; ConfigError without pycocotools."""
    require("rle", "pycocotools", purpose="run-length JSON", instead="use a zip of PNGs")
    from pycocotools import mask as coco

    packed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"counts": packed["counts"].decode("ascii"), "size": list(mask.shape)}


def decode_rle(rle: object, size: Size) -> np.ndarray:
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


def encode_frame(form: Format, key: str, train_ids: np.ndarray) -> bytes:
    """(H, W) uint8 train ids -> a line of JSON."""
    first = 1 if form.is_drivable else 0  # background is what nothing else covers
    labels = []
    for train_id in range(first, form.labels.num_classes):
        mask = train_ids == train_id
        if mask.any():
            category = form.labels.class_names[train_id]
            labels.append({"id": str(len(labels)), "category": category, "rle": encode_rle(mask)})
    frame = {"name": f"{key}.jpg", "labels": labels}
    return json.dumps(frame, separators=(",", ":")).encode()


def pack_json(path: Path, maps: Iterable[tuple[str, bytes]]) -> None:
    """Write encoded frames as one list."""
    with path.open("wb") as file:
        for number, (_, line) in enumerate(maps):
            file.write((b"," if number else b"[") + line + b"\n")
        file.write(b"]\n")


def rle_entries(path: Path, form: Format, expected: Expected, findings: Findings) -> Iterator[Entry]:
    """Yield the frames of a JSON file; what is none becomes a finding."""
    data = parse_json(read_small_file(path, _MAX_BYTES, SubmissionError), str(path), SubmissionError)
    frames = data.get("frames") if isinstance(data, dict) else data
    if not isinstance(frames, list):
        raise SubmissionError(f"{printable(path)}: holds no list of frames: expected that, or an object with 'frames'")
    for position, frame in enumerate(frames):
        name = frame.get("name") if isinstance(frame, dict) else None
        if not isinstance(name, str):
            findings.add("frames without a name", f"number {position}")
        elif (key := form.key_of_image(name)) is None:
            findings.add("frames not named <id>.jpg", name)
        else:
            load = partial(examine_frame, frame.get("labels"), form, expected.size_of(key))
            yield Entry(name, key, load)


def examine_frame(labels: object, form: Format, size: Size) -> tuple[list[str], np.ndarray]:
    """Turn the labels of a frame into faults (plurals) and values as a mask PNG would have."""
    rest = int(form.labels.inverse[0]) if form.is_drivable else IGNORE_INDEX
    values = np.full(size, rest, np.uint8)
    covered = np.zeros(size, bool)
    faults: dict[str, None] = {}  # in order, each once
    for label in [] if labels is None else labels if isinstance(labels, list) else [labels]:
        fields = label if isinstance(label, dict) else {}
        category = fields.get("category")
        if category not in form.labels.class_names:
            faults["frames with a label of no known category"] = None
            continue
        try:
            mask = decode_rle(fields.get("rle"), size)
        except ImageFileError as error:
            faults[str(error)] = None
            continue
        if (covered & mask).any():
            faults["frames with labels that overlap"] = None
        covered |= mask
        values[mask] = form.labels.inverse[form.labels.class_names.index(category)]
    return list(faults), values
