"""Label maps as BDD100K's run-length JSON: a line a frame out, and read back.

The layout is scalabel's, as ``bdd100k.eval.run`` reads it: a list of frames, or an object with it under ``frames``; a
frame has the image's ``name`` and ``labels``, each with a ``category`` and the run lengths of its mask in COCO's
compressed form: down the columns, zeros first. Pixels without a label are background in drivable area, else void.
"""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from segibn.errors import ImageFileError, SubmissionError
from segibn.files.rle import decode_rle, encode_rle
from segibn.labels.label_set import IGNORE_INDEX
from segibn.submission.expected import Expected
from segibn.submission.formats import Format, Size
from segibn.submission.report import Entry, Findings
from segibn.text import printable, read_small_file
from segibn.text.plain_data import parse_json

_MAX_BYTES = 1 << 29  # of a file; 20,000 frames of drivable area take about a tenth


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
