"""BDD100K's run-length JSON: label maps in, one line of JSON a frame out; and read back.

The layout is scalabel's, as ``bdd100k.eval.run`` reads it: a list of frames, or an object with the
list under ``frames``; a frame has the image's ``name`` and ``labels``, each with a ``category`` and
the run lengths of its mask. A class that a frame lacks has no label; of drivable area neither has
background. Pixels without a label are background there, and void in semantic segmentation.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from segibn.errors import ImageFileError, SubmissionError
from segibn.evaluation.scalabel import frame_list
from segibn.files.rle import decode_rle, encode_rle
from segibn.labels.label_set import IGNORE_INDEX
from segibn.submission.entry import Entry, Load
from segibn.submission.expected import Expected
from segibn.submission.format import Format, Size
from segibn.submission.report import Findings


def frame_to_json(key: str, train_ids: np.ndarray, form: Format) -> dict[str, Any]:
    """Turn (H, W) uint8 train ids into a frame of the JSON."""
    first = 1 if form.is_drivable else 0  # background is what nothing else covers
    labels = []
    for train_id in range(first, form.labels.num_classes):
        mask = train_ids == train_id
        if mask.any():
            category = form.labels.class_names[train_id]
            label = {"id": str(len(labels)), "category": category, "rle": encode_rle(mask)}
            labels.append(label)
    return {"name": f"{key}.jpg", "labels": labels}


def examine_frame(labels: object, form: Format, size: Size) -> tuple[list[str], np.ndarray]:
    """Turn the labels of a frame into values as a mask PNG would have.

    Returns:
        The faults, each a plural that names no frame, and the (H, W) uint8 values.
    """
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


class JsonStream:
    """Writes frames in the order of ``keys``, a line each, and takes over those that are there.

    Args:
        stream: open for reading and writing; what follows the last finished line is cut off.
        keys: of all frames, in order.
        form: the benchmark's format.
    """

    def __init__(self, stream: BinaryIO, keys: Sequence[str], form: Format) -> None:
        self._stream, self._keys, self._form = stream, keys, form
        self._starts: list[int] = []
        stream.seek(0)
        end = 0
        for key in keys:
            line = stream.readline()
            if not _is_line_of(line, key, is_first=end == 0):
                break
            self._starts.append(end)
            end += len(line)
        stream.seek(end)
        stream.truncate()

    @property
    def finished(self) -> int:
        """How many frames are in the file."""
        return len(self._starts)

    def keep(self, count: int) -> None:
        """Cut off all but the first ``count`` frames."""
        if count < self.finished:
            self._stream.seek(self._starts[count])
            self._stream.truncate()
            del self._starts[count:]

    def add(self, key: str, train_ids: np.ndarray) -> None:
        """Write the next frame, (H, W) uint8 train ids, and hand it to the operating system.

        Raises:
            ValueError: it is not this frame's turn.
        """
        if self.finished == len(self._keys) or key != self._keys[self.finished]:
            raise ValueError(f"{key!r} is not the next frame")
        frame = json.dumps(frame_to_json(key, train_ids, self._form), separators=(",", ":"))
        start = self._stream.tell()
        self._stream.write(("," if self.finished else "[").encode() + frame.encode() + b"\n")
        self._stream.flush()
        self._starts.append(start)

    def finish(self) -> None:
        """Close the list; nothing can be added after it."""
        if self.finished != len(self._keys):
            raise ValueError(f"{self.finished} of {len(self._keys)} frames are there")
        self._stream.write(b"]\n")
        self._stream.flush()


def rle_entries(
    path: Path, form: Format, expected: Expected, findings: Findings
) -> Iterator[Entry]:
    """Yield the frames of a JSON file; what is none becomes a finding.

    Raises:
        SubmissionError: not JSON, not a list of frames, or larger than 512 MiB.
    """
    for position, frame in enumerate(frame_list(path, SubmissionError)):
        name = frame.get("name") if isinstance(frame, dict) else None
        if not isinstance(name, str):
            findings.add("frames without a name", f"number {position}")
            continue
        key = form.key_of_image(name)
        if key is None:
            findings.add("frames not named <id>.jpg", name)
            continue
        yield Entry(name, key, _loader(frame.get("labels"), form, expected.size_of(key)))


def _loader(labels: object, form: Format, size: Size | None) -> Load:
    def load() -> tuple[list[str], np.ndarray]:
        assert size is not None  # entries of other frames are never loaded
        return examine_frame(labels, form, size)

    return load


def _is_line_of(line: bytes, key: str, is_first: bool) -> bool:
    """Say whether a line is a whole frame of this key."""
    if not line.endswith(b"\n") or line[:1] != (b"[" if is_first else b","):
        return False
    try:
        frame = json.loads(line[1:])
    except ValueError:
        return False
    return isinstance(frame, dict) and frame.get("name") == f"{key}.jpg"
