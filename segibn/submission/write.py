"""Write a submission as a stream, take up one that was interrupted, and check it before it appears.

In: label maps one at a time, in an order that this module says. Out: a zip of PNGs or a run-length
JSON whose bytes depend on the maps alone. What is finished stands in a hidden file beside the
output; a later call with the same frames and the same ``work`` goes on from there.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import segibn
from segibn.errors import SubmissionError
from segibn.files import PartialFile, ZipStream
from segibn.submission.check import Progress, check_submission
from segibn.submission.expected import Expected
from segibn.submission.format import Format, Size
from segibn.submission.report import Report
from segibn.submission.rle_json import JsonStream
from segibn.text import counted

MapsOf = Callable[[Sequence[str]], Iterable[tuple[str, np.ndarray]]]
"""Called once with the keys still to do; yields (key, (H, W) uint8 train ids) in that order."""


def write_submission(
    output: Path,
    form: Format,
    sizes: Mapping[str, Size],
    maps_of: MapsOf,
    *,
    work: Mapping[str, Any] | None = None,
    batch_size: int = 1,
    progress: Progress | None = None,
    check_progress: Progress | None = None,
) -> Report:
    """Write a submission; ``output`` appears only after the whole file passed its check.

    Args:
        output: a ``.zip``, or a ``.json`` where the format has run lengths.
        form: the benchmark's format.
        sizes: key -> (H, W) of every frame that the submission must hold.
        maps_of: see ``MapsOf``.
        work: what the maps depend on (checkpoint, options, frames), as JSON values; a partial
            file of other work is removed.
        batch_size: how many frames of one size that follow each other are predicted together;
            an interrupted batch is done again as a whole, because a batch of another
            composition may round differently.
        progress: called with (maps written, maps in all), once before the first one.
        check_progress: the same, while the file is read back.

    Returns:
        The report of the check.

    Raises:
        SubmissionError: a map has another size than its frame, or the file failed its check.
        LabelValueError: a map holds a train id that the format has no value for.
        SegibnError: the disk is full, or another process writes the same file.
    """
    output, keys = Path(output), sorted(sizes)
    is_rle = output.suffix.lower() == ".json"
    if not keys or not ((is_rle and form.has_rle) or output.suffix.lower() == ".zip"):
        kinds = ".zip or .json" if form.has_rle else ".zip"
        raise SubmissionError(f"{output}: a submission for {form.title} is a {kinds} of maps")
    with PartialFile(output, _attempt_key(form, sizes, work or {})) as file:
        stream = JsonStream(file.stream, keys, form) if is_rle else _MapZip(file, form, keys)
        stream.keep(_start_of_batch(keys, sizes, stream.finished, batch_size))
        _add_maps(stream, keys, sizes, maps_of, progress)
        stream.finish()
        expected = Expected("this submission", len(keys), sizes, form.size)
        report = check_submission(
            file.partial,
            form,
            expected,
            is_rle=is_rle,
            shown_as=str(output),
            progress=check_progress,
        )
        if not report.is_valid:
            file.discard()
            raise SubmissionError(report.format_text())
        file.commit()
    return report


class _MapZip:
    """A ``ZipStream`` of label maps: encodes values as PNG and names the members."""

    def __init__(self, file: PartialFile, form: Format, keys: Sequence[str]) -> None:
        self._form = form
        names = [form.member.format(key=key) for key in keys]
        self._stream = ZipStream(file.stream, names)

    @property
    def finished(self) -> int:
        return self._stream.finished

    def keep(self, count: int) -> None:
        self._stream.keep(count)

    def add(self, key: str, train_ids: np.ndarray) -> None:
        values = self._form.labels.to_label_ids(train_ids)
        content = cv2.imencode(".png", values)[1].tobytes()
        self._stream.add(self._form.member.format(key=key), content)

    def finish(self) -> None:
        self._stream.finish()


def _start_of_batch(
    keys: Sequence[str], sizes: Mapping[str, Size], position: int, batch_size: int
) -> int:
    """Return where the batch begins that a position lies in; batches hold one size."""
    start = 0
    for index in range(1, position + 1):
        is_full = index - start == batch_size
        if index == len(keys) or is_full or sizes[keys[index]] != sizes[keys[index - 1]]:
            start = index
    return start


def _add_maps(
    stream: JsonStream | _MapZip,
    keys: Sequence[str],
    sizes: Mapping[str, Size],
    maps_of: MapsOf,
    progress: Progress | None,
) -> None:
    """Ask for the maps that are not there yet, and write them."""
    remaining = keys[stream.finished :]
    if progress is not None:
        progress(stream.finished, len(keys))
    for key, train_ids in maps_of(remaining) if remaining else ():
        _require_size(key, train_ids, sizes)
        stream.add(key, train_ids)
        if progress is not None:
            progress(stream.finished, len(keys))
    if stream.finished != len(keys):
        raise SubmissionError(
            f"{counted(len(keys) - stream.finished, 'map')} not made, "
            f"from {keys[stream.finished]} on"
        )


def _require_size(key: str, train_ids: np.ndarray, sizes: Mapping[str, Size]) -> None:
    if train_ids.dtype != np.uint8 or train_ids.shape != tuple(sizes.get(key, ())):
        raise SubmissionError(
            f"the map of {key} is {train_ids.shape} {train_ids.dtype}, but its frame is "
            f"{sizes.get(key)} (H, W); write (H, W) uint8 train ids at the frame's size"
        )


def _attempt_key(form: Format, sizes: Mapping[str, Size], work: Mapping[str, Any]) -> str:
    """Hash everything that the bytes of the file depend on."""
    parts = [form.name, segibn.__version__, cv2.__version__, sorted(sizes.items()), dict(work)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
