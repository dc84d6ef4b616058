"""Label maps on disk, frame by frame: pairs of files in, scores out. No torch.

Files are read by a few threads (decoding releases the interpreter lock) and added in order, so that
a result has the same bits whatever their number, and memory does not grow with the set.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segibn.errors import ImageFileError, LabelValueError
from segibn.evaluation.confusion import count_pairs
from segibn.evaluation.encodings import Reading, read_prediction
from segibn.evaluation.evaluate import ScoreTally
from segibn.evaluation.matching import FilePair
from segibn.evaluation.measure import Frame, FramePrediction, Metric
from segibn.evaluation.metrics import policy_named
from segibn.evaluation.scores import Conditions, LabelConfusion, Scores
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import IGNORE_INDEX, LabelSet

Item = TypeVar("Item")
Result = TypeVar("Result")
Maps = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Raw values of target and prediction, (H, W) each."""
ReadPair = Callable[["FilePair", Sequence[LabelSet]], Maps]
"""Reads a pair of files as the tables of its sides do."""
Packed = tuple[NDArray[np.intp], NDArray[np.int64]]
"""See ``packed``."""
Progress = Callable[[int, int], None]
"""Called after each file with (files done, files in all)."""

_MAX_THREADS = 8


def packed(counts: NDArray[np.int64]) -> Packed:
    """Return where a frame's (256, 256) counts are not 0, and these: few of many that may wait."""
    places = np.flatnonzero(counts)
    return places, counts.ravel()[places]


class FileTally:
    """Scores of raw values that are counted frame by frame; of one thread.

    Attributes:
        raw: (256, 256) pixels of all frames, rows raw target value, columns raw predicted value.
    """

    def __init__(self, reading: Reading, conditions: Conditions, names: Sequence[str]) -> None:
        self.raw = np.zeros((256, 256), np.int64)
        self._reading = reading
        self._scores = ScoreTally(reading.tables[0].class_names, conditions, names)

    def add(self, name: str, counts: Packed, size: tuple[int, ...]) -> None:
        """Add a frame of (H, W) pixels."""
        frame = np.zeros((256, 256), np.int64)
        frame.ravel()[counts[0]] = counts[1]
        self.raw += frame
        self._scores.add(name, self._reading.fold(frame), size)

    def result(self, *doubts: str) -> Scores:
        """Return the scores, doubted for these reasons and where another reading matches better."""
        found = dict.fromkeys(filter(None, [*doubts, self._reading.doubt(self.raw)]))
        return replace(self._scores.result(), reading_doubt="; ".join(found))


def in_threads(
    count: Callable[[Item], Result], items: Sequence[Item], progress: Progress | None
) -> Iterator[tuple[Item, Result]]:
    """Yield (item, ``count(item)``) in order; an error cancels what has not started."""
    counted = map_in_threads(count, items, min(_MAX_THREADS, os.cpu_count() or 1, len(items)))
    for done, found in enumerate(counted, start=1):
        yield found
        if progress is not None:
            progress(done, len(items))


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


def count_maps(pair: FilePair, maps: Maps, reading: Reading, policy: str) -> NDArray[np.int64]:
    """Count raw value pairs of one frame, (256, 256), and check each side's values."""
    counts = count_pairs(*maps)
    known = [table.lookup >= 0 for table in reading.tables]
    if counts[~known[0]].any():
        _raise_for_values(maps[0], pair.target, reading, "target")
    is_checked = pair.pred is not None and not policy_named(policy).lacking_is_void
    if is_checked and counts[:, ~known[1]].any():
        _raise_for_values(maps[1], pair.pred, reading, "pred")
    return counts


def _raise_for_values(
    label_map: NDArray[np.uint8], path: Path | None, reading: Reading, role: str
) -> None:
    """Let the table explain which values it does not know, and add what to try."""
    try:
        reading.tables[role == "pred"].to_train_ids(label_map, path or "label map")
    except LabelValueError as error:
        hint = reading.hint(role)
        raise LabelValueError(f"{error} ({hint})" if hint else str(error)) from None


def score_pairs(
    pairs: Sequence[FilePair],
    reading: Reading,
    conditions: Conditions,
    *,
    metrics: Sequence[Metric] = (),
    doubts: Sequence[str] = (),
    progress: Progress | None = None,
    read: ReadPair = read_pair,
) -> Scores:
    """Score pairs of files under the policy of the conditions; counts of label ids where both are.

    Args:
        metrics: what to measure too; goes into the details.
        doubts: why the reading may be wrong.
    """
    tally = FileTally(reading, conditions, [pair.name for pair in pairs])

    def count(pair: FilePair) -> tuple[Packed, list[NDArray[Any]], tuple[int, ...]]:
        maps = read(pair, reading.tables)
        counts = count_maps(pair, maps, reading, conditions.policy)
        target, pred = reading.train_ids(maps)
        frame = Frame(pair.name, None, target)
        found = [one.of(frame, FramePrediction(pred)) for one in metrics]
        return packed(counts), found, target.shape

    for pair, (counts, measured, size) in in_threads(count, pairs, progress):
        tally.add(pair.name, counts, size)
        for metric, found in zip(metrics, measured, strict=True):
            metric.sums += found
    by_label = None
    if reading.encodings == ("label_ids", "label_ids"):
        values = np.flatnonzero(reading.tables[0].lookup >= 0)
        by_label = LabelConfusion(tuple(values.tolist()), tally.raw[np.ix_(values, values)])
    details = {metric.name: metric.result() for metric in metrics}
    return replace(tally.result(*doubts), label_confusion=by_label, details=details)


def conditions_of(target: Path, evaluation_set: str, policy: str) -> Conditions:
    """Return the conditions of a score of files, but for the resolution."""
    return Conditions(evaluation_set or Path(target).resolve().name, policy, inference="files")


def _size(label_map: NDArray[Any]) -> str:
    return f"{label_map.shape[0]}x{label_map.shape[1]} (H x W)"
