"""Label maps on disk, frame by frame: pairs of files in, scores out.

Threads read ahead (decoding releases the interpreter lock); results are added in order, so that
their bits do not depend on the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import ImageFileError, LabelValueError
from segibn.evaluation.confusion import Counts, count_pairs, size_text
from segibn.evaluation.encodings import Reading, read_prediction, read_scores
from segibn.evaluation.evaluate import ScoreTally
from segibn.evaluation.matching import FilePair
from segibn.evaluation.measure import Frame, FramePrediction, Metric
from segibn.evaluation.metrics import policy_named
from segibn.evaluation.scores import Conditions, LabelConfusion, Scores
from segibn.files.pool import map_in_threads
from segibn.labels.label_set import IGNORE_INDEX, LabelSet

Maps = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # raw values of target and prediction, (H, W) each
ReadPair = Callable[[FilePair, Sequence[LabelSet]], Maps]
Progress = Callable[[int, int], None]  # called after each file with (files done, files in all)


def read_pair(pair: FilePair, tables: Sequence[LabelSet]) -> Maps:
    """Read target and prediction; a missing prediction is all void."""
    target = tables[0].read(pair.target)
    if pair.pred is None:
        return target, np.full_like(target, IGNORE_INDEX)
    if pair.pred.suffix == ".npz":
        return target, read_scores(pair.pred, (target.shape[0], target.shape[1]), tables[0].num_classes)
    pred = read_prediction(pair.pred, tables[1])
    require_size(pred, pair.pred, target, pair.target)
    return target, pred


def require_size(pred: NDArray[Any], path: Path, target: NDArray[Any], target_path: Path) -> None:
    """Raise ImageFileError where a prediction has another size than its target."""
    if pred.shape != target.shape:
        raise ImageFileError(
            f"{path} is {size_text(pred)}, but its target {target_path} is {size_text(target)}; "
            "write predictions at the target's size"
        )


def _count(pair: FilePair, maps: Maps, reading: Reading, policy: str) -> Counts:
    """(256, 256) raw value pairs of one frame; each side's values are checked."""
    counts = count_pairs(*maps)
    checked = [("target", pair.target, counts.sum(axis=1))]
    if pair.pred is not None and not policy_named(policy).lacking_is_void:
        checked.append(("pred", pair.pred, counts.sum(axis=0)))
    for (role, path, pixels), table, label_map in zip(checked, reading.tables, maps, strict=False):
        if pixels[table.lookup < 0].any():
            try:
                table.to_train_ids(label_map, path)  # says which values it does not know
            except LabelValueError as error:
                raise LabelValueError(f"{error}{reading.hint(role)}") from None
    return counts


class FileTally:
    """Scores of pairs of files; ``raw`` are the (256, 256) pixels of all, rows target value."""

    def __init__(self, pairs: Sequence[FilePair], reading: Reading, conditions: Conditions) -> None:
        self._pairs, self._reading, self._policy = pairs, reading, conditions.policy
        names = [pair.name for pair in pairs]
        self._scores = ScoreTally(reading.tables[0].class_names, conditions, names)
        self.raw = np.zeros((256, 256), np.int64)

    def count(
        self,
        examine: Callable[[FilePair, Maps, Counts], Any],
        read: ReadPair = read_pair,
        progress: Progress | None = None,
    ) -> Iterator[tuple[FilePair, Any]]:
        """Read, check and count all pairs; yield each with what ``examine`` found, in order.

        ``examine`` gets pair, maps and their (256, 256) counts, in several threads.
        """

        def work(pair: FilePair) -> tuple[Counts, tuple[int, ...], Any]:
            maps = read(pair, self._reading.tables)
            counts = _count(pair, maps, self._reading, self._policy)
            return counts, maps[0].shape, examine(pair, maps, counts)

        done = map_in_threads(work, self._pairs)
        for number, (pair, (counts, size, found)) in enumerate(done, start=1):
            self.raw += counts
            self._scores.add(pair.name, self._reading.fold(counts), size)
            yield pair, found
            if progress is not None:
                progress(number, len(self._pairs))

    def result(self, *doubts: str) -> Scores:
        """Return the scores, doubted for these reasons and where another reading matches better."""
        found = dict.fromkeys(filter(None, [*doubts, self._reading.doubt(self.raw)]))
        return replace(self._scores.result(), reading_doubt="; ".join(found))


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
    """Score pairs of files; ``metrics`` go into the details, ``doubts`` into the scores' own."""
    tally = FileTally(pairs, reading, conditions)

    def measure(pair: FilePair, maps: Maps, _: Counts) -> list[NDArray[Any]]:
        if not metrics:
            return []
        target, pred = reading.train_ids(maps)
        frame = Frame(pair.name, None, target)
        return [metric.of(frame, FramePrediction(pred)) for metric in metrics]

    for _, measured in tally.count(measure, read, progress):
        for metric, found in zip(metrics, measured, strict=True):
            metric.sums += found
    by_label = None
    if reading.encodings == ("label_ids", "label_ids"):
        values = np.flatnonzero(reading.tables[0].lookup >= 0)
        by_label = LabelConfusion(tuple(values.tolist()), tally.raw[np.ix_(values, values)])
    details = {metric.name: metric.result() for metric in metrics}
    return replace(tally.result(*doubts), label_confusion=by_label, details=details)


def conditions_of(target: Path, evaluation_set: str, policy: str) -> Conditions:
    """Conditions of a score of files, but for the resolution."""
    return Conditions(evaluation_set or Path(target).resolve().name, policy, inference="files")
