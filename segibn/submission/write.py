"""Write a submission, resume one that was interrupted, and check it before it appears.

Finished maps lie in a hidden folder beside the output, for a later call with the same ``work``.
"""

import contextlib
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import segibn
from segibn.errors import SubmissionError
from segibn.evaluation.file_scores import Progress
from segibn.files.writing import atomic_path
from segibn.submission.check import check_submission
from segibn.submission.expected import Expected
from segibn.submission.formats import Format, Size
from segibn.submission.report import Report
from segibn.submission.rle_maps import encode_frame, pack_json
from segibn.submission.zip_maps import encode_png, pack_zip
from segibn.text import counted

#: Called once with the keys still to do; yields (key, (H, W) uint8 train ids) in that order.
MapsOf = Callable[[Sequence[str]], Iterable[tuple[str, np.ndarray]]]


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
        sizes: key -> (H, W) of every frame that the submission must hold.
        work: what the maps depend on, as JSON values; finished maps of other work are removed.
        batch_size: frames of one size in a row that are predicted together; an interrupted batch is
            done again as a whole, as another composition may round otherwise.
        progress: called with (maps written, maps in all), once before the first one.
        check_progress: the same, while the file is read back.
    """
    output, keys = Path(output), sorted(sizes)
    is_rle = output.suffix.lower() == ".json"
    if not keys or not ((is_rle and form.has_rle) or output.suffix.lower() == ".zip"):
        kinds = ".zip or .json" if form.has_rle else ".zip"
        raise SubmissionError(f"{output}: a submission for {form.title} is a {kinds} of maps")
    versions = segibn.__version__, cv2.__version__
    parts = [form.name, *versions, sorted(sizes.items()), dict(work or {})]
    folder = _folder_of(output, parts)
    there = next((i for i, key in enumerate(keys) if not (folder / key).exists()), len(keys))
    done = _start_of_batch(keys, sizes, there, batch_size)
    show = progress or (lambda done, total: None)
    show(done, len(keys))
    maps = _maps(keys[done:], sizes, maps_of)
    for number, (key, train_ids) in enumerate(maps, start=done + 1):
        content = encode_frame(form, key, train_ids) if is_rle else encode_png(form, train_ids)
        temporary = folder / f".{os.getpid()}"
        with _writing(output):
            temporary.write_bytes(content)
            os.replace(temporary, folder / key)
        show(number, len(keys))
    contents = ((key, (folder / key).read_bytes()) for key in keys)
    with atomic_path(output) as temporary:
        pack_json(temporary, contents) if is_rle else pack_zip(temporary, form, contents)
        expected = Expected("this submission", len(keys), sizes, form.size)
        report = check_submission(temporary, form, expected, shown_as=str(output), progress=check_progress)
        if not report.is_valid:
            shutil.rmtree(folder, ignore_errors=True)
            raise SubmissionError(report.format_text())
    shutil.rmtree(folder, ignore_errors=True)
    return report


def _folder_of(output: Path, parts: list[Any]) -> Path:
    """Make the folder of maps that depend on ``parts``; what attempts at other work left goes."""
    attempt = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    folder = output.with_name(f".{output.name}.{attempt}.partial")
    with _writing(output):
        folder.mkdir(parents=True, exist_ok=True)
        for other in output.parent.glob(glob.escape(f".{output.name}.") + "*.partial"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SubmissionError(
            f"{output}: cannot be written ({error.strerror}); what is finished is kept, the same "
            "command resumes from there"
        ) from error


def _maps(todo: Sequence[str], sizes: Mapping[str, Size], maps_of: MapsOf) -> Iterator[tuple[str, np.ndarray]]:
    """Ask for the maps still to do, and check that each is the next one and of its frame's size."""
    left = iter(todo)
    for key, train_ids in maps_of(todo) if todo else ():
        expected = next(left, None)
        if key != expected:
            raise ValueError(f"{key!r} is not the next frame, {expected!r} is")
        if train_ids.dtype != np.uint8 or train_ids.shape != tuple(sizes[key]):
            raise SubmissionError(
                f"the map of {key} is {train_ids.shape} {train_ids.dtype}, but its frame is "
                f"{sizes[key]} (H, W); write (H, W) uint8 train ids at the frame's size"
            )
        yield key, train_ids
    if missing := list(left):
        raise SubmissionError(f"{counted(len(missing), 'map')} not made, from {missing[0]} on")


def _start_of_batch(keys: Sequence[str], sizes: Mapping[str, Size], position: int, batch_size: int) -> int:
    """Return where the batch begins that a position lies in; batches hold one size."""
    start = 0
    for index in range(1, position + 1):
        is_full = index - start == batch_size
        if index == len(keys) or is_full or sizes[keys[index]] != sizes[keys[index - 1]]:
            start = index
    return start
