"""Counts of label maps on disk, frame by frame: what the scorers of folders share. No torch.

Files are read by a few threads (decoding releases the interpreter lock); counts are added in the
main thread, so memory does not grow with the number of files.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import ImageFileError, LabelValueError
from segibn.evaluation.confusion import count_pairs
from segibn.evaluation.encodings import read_prediction
from segibn.evaluation.evaluate import SizeTally
from segibn.evaluation.matching import FilePair
from segibn.evaluation.metrics import Policy
from segibn.evaluation.scores import Conditions
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import IGNORE_INDEX, LabelSet

Maps = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Target and prediction, (H, W) each."""

Progress = Callable[[int, int], None]
"""Called after each file with (files done, files in all)."""

_MAX_THREADS = 8

VALUES_HINT = "--{role}-encoding says whether they are train ids or the data set's own label ids"
"""What to try where values are unknown, of the verbs that have these options."""


def count_pair(
    pair: FilePair, table: LabelSet, rules: Policy
) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """Count raw value pairs of one frame and check its values; (256, 256) and (H, W)."""
    maps = read_pair(pair, (table, table))
    return count_maps(pair, maps, (table, table), rules), maps[0].shape


class RawCounts:
    """Raw value pairs of all frames, (256, 256) in ``counts``; those of a frame take little."""

    def __init__(self) -> None:
        self.counts = np.zeros((256, 256), dtype=np.int64)

    @staticmethod
    def packed(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where a frame's counts are not 0, and the counts there."""
        places = np.flatnonzero(counts)
        return places, counts.ravel()[places]

    def add(self, packed: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
        """Add a frame."""
        self.counts.ravel()[packed[0]] += packed[1]


def read_pair(pair: FilePair, tables: Sequence[LabelSet]) -> Maps:
    """Read target and prediction; a missing prediction is all void."""
    target = tables[0].read(pair.target)
    if pair.pred is None:
        return target, np.full_like(target, IGNORE_INDEX)
    pred = read_prediction(pair.pred, tables[1])
    require_size(pred, pair.pred, target, pair.target)
    return target, pred


def require_size(pred: NDArray[Any], path: Path, target: NDArray[Any], target_path: Path) -> None:
    """Raise ImageFileError where a prediction has another size than its target."""
    if pred.shape != target.shape:
        raise ImageFileError(
            f"{path} is {_size(pred)}, but its target {target_path} is {_size(target)}; write "
            "predictions at the target's size"
        )


def count_maps(
    pair: FilePair,
    maps: tuple[NDArray[Any], NDArray[Any]],
    tables: Sequence[LabelSet],
    rules: Policy,
    hint: str = "",
) -> NDArray[np.int64]:
    """Count raw value pairs of one frame, (256, 256), and check each side's values.

    Raises:
        LabelValueError: a value that the table of its side does not know.
    """
    counts = count_pairs(*maps)
    if counts[tables[0].lookup < 0].any():
        _raise_for_values(maps[0], tables[0], pair.target, hint.format(role="target"))
    is_checked = pair.pred is not None and not rules.folds_unknown_predictions
    if is_checked and counts[:, tables[1].lookup < 0].any():
        _raise_for_values(maps[1], tables[1], pair.pred, hint.format(role="pred"))
    return counts


def _raise_for_values(
    label_map: NDArray[np.uint8], table: LabelSet, path: Path | None, hint: str
) -> None:
    """Let the table explain which values it does not know, and add what to try."""
    try:
        table.to_train_ids(label_map, path or "label map")
    except LabelValueError as error:
        raise LabelValueError(f"{error} ({hint})" if hint else str(error)) from None


def in_threads(
    count: Callable[[Any], Any], pairs: Sequence[Any], progress: Progress | None
) -> Iterator[Any]:
    """Yield ``count(pair)`` in order; an error cancels what has not started."""
    workers = min(_MAX_THREADS, os.cpu_count() or 1, len(pairs))
    for done, (_, result) in enumerate(map_in_threads(count, pairs, workers), start=1):
        yield result
        if progress is not None:
            progress(done, len(pairs))


def conditions_of(
    target_dir: Path, evaluation_set: str, policy: str, tally: SizeTally | None = None
) -> Conditions:
    """Return the conditions of a score of files; without a tally the resolution is left empty."""
    name = evaluation_set or Path(target_dir).resolve().name
    return Conditions(name, policy, tally.resolution() if tally else "", inference="files")


def _size(label_map: NDArray[Any]) -> str:
    return f"{label_map.shape[0]}x{label_map.shape[1]} (H x W)"
