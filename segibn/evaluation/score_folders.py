"""Scores of label maps on disk: two folders of PNGs in, scores out. Needs no torch.

Files are read by a few threads (decoding releases the interpreter lock); counts are added in the
main thread, so memory does not grow with the number of files.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import ImageFileError, LabelValueError
from segibn.evaluation.boundary import BoundaryCounts
from segibn.evaluation.confusion import count_pairs, fold_pairs
from segibn.evaluation.drivable import NUM_CLASSES, DrivableScores
from segibn.evaluation.drivable_encoding import SUFFIX_2018, EncodingEvidence, decide_encoding
from segibn.evaluation.evaluate import SizeTally
from segibn.evaluation.frame_counts import FrameTally
from segibn.evaluation.matching import ENCODINGS, FilePair, match_label_maps
from segibn.evaluation.metrics import Policy, policy_named
from segibn.evaluation.scores import Conditions, LabelConfusion, Scores
from segibn.files import read_label_map
from segibn.labels.catalog import label_set_for
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet

SEMSEG_TABLES = {"cityscapes": "cityscapes", "bdd100k": "bdd100k_semseg", "camvid": "camvid"}
"""Name on the command line -> data set whose table and classes are used."""

Progress = Callable[[int, int], None]
"""Called after each file with (files done, files in all)."""

_MAX_THREADS = 8
# The three raw values of either drivable encoding, as a table that only checks.
_DRIVABLE_VALUES = LabelSet(
    "bdd100k_drivable", tuple(Label(str(value), value, value, (value, 0, 0)) for value in range(3))
)


def score_semseg(
    target_dir: Path,
    pred_dir: Path,
    labels: str = "cityscapes",
    *,
    encoding: str = "train_ids",
    policy: str = "cityscapes",
    evaluation_set: str = "",
    boundary: bool = False,
    progress: Progress | None = None,
) -> Scores:
    """Score a folder of predicted label maps against a folder of ground truth.

    Args:
        target_dir: searched with its subfolders; files matched by frame name.
        pred_dir: the same.
        labels: key in ``SEMSEG_TABLES``.
        encoding: "train_ids" (class indices and 255) or "label_ids" (the data set's own values;
            the counts over those are kept too).
        policy: key in ``metrics.POLICIES``. "bdd100k" counts a missing prediction and unknown
            predicted values as void; with "cityscapes" they are errors.
        evaluation_set: for the signature; the target folder's name when empty.
        boundary: whether to measure boundary IoU too.
        progress: see ``Progress``.

    Raises:
        DatasetError: folders, names or pairing are wrong.
        ImageFileError: a file is unreadable, or the sizes of a pair differ.
        LabelValueError: a file holds a value outside the table.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"unknown encoding {encoding!r}; choose one of {', '.join(ENCODINGS)}")
    rules = policy_named(policy)
    own_table = label_set_for(SEMSEG_TABLES[labels])
    table = own_table if encoding == "label_ids" else _train_id_table(own_table)
    k = table.num_classes
    pred_lookup = np.where(table.lookup < 0, IGNORE_INDEX, table.lookup)
    values = np.flatnonzero(table.lookup >= 0)
    confusion = np.zeros((k, k + 1), dtype=np.int64)
    by_value = np.zeros((values.size, values.size), dtype=np.int64)
    tally, by_frame, edges = SizeTally(), FrameTally(k), BoundaryCounts(k)

    def count(
        pair: FilePair,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | int, tuple[int, int]]:
        maps = _read_pair(pair)
        raw = _count_maps(pair, maps, table, rules)
        folded = fold_pairs(raw, k, table.lookup, pred_lookup)
        edge_counts = edges.counts_of(*(pred_lookup[m] for m in maps)) if boundary else 0
        return folded, raw[np.ix_(values, values)], edge_counts, maps[0].shape

    pairs = match_label_maps(target_dir, pred_dir, encoding, rules.missing_prediction_is_void)
    for pair, counts in zip(pairs, in_threads(count, pairs, progress), strict=True):
        folded, raw, edge_counts, size = counts
        confusion += folded
        by_value += raw
        edges.counts += edge_counts
        by_frame.add(pair.name, folded)
        tally.add(*size)
    label_confusion = LabelConfusion(tuple(values.tolist()), by_value)
    return Scores(
        confusion,
        table.class_names,
        _conditions(target_dir, evaluation_set, policy, tally),
        tally.num_images,
        frames=tuple(pair.name for pair in pairs),
        label_confusion=label_confusion if encoding == "label_ids" else None,
        frame_counts=by_frame.collect(),
        details={"boundary": edges.to_dict(table.class_names)} if boundary else {},
    )


def score_drivable(
    target_dir: Path,
    pred_dir: Path,
    *,
    target_encoding: str = "auto",
    pred_encoding: str = "auto",
    evaluation_set: str = "",
    progress: Progress | None = None,
) -> DrivableScores:
    """Score a folder of predicted drivable maps under the four definitions.

    The encodings are decided after counting, from the values of all files together.

    Args:
        target_dir: searched with its subfolders; files matched by frame name.
        pred_dir: the same; every target needs its prediction.
        target_encoding: "auto", "2018" or "2021"; checked against the data.
        pred_encoding: "auto", "2018" or "2021".
        evaluation_set: for the signature; the target folder's name when empty.
        progress: see ``Progress``.

    Raises:
        DatasetError: folders, names or pairing are wrong, or an encoding contradicts the data.
        ImageFileError: a file is unreadable, or the sizes of a pair differ.
        LabelValueError: a file holds a value other than 0, 1, 2.
    """
    pairs = match_label_maps(target_dir, pred_dir)
    strict = policy_named("cityscapes")
    by_pair: list[NDArray[np.int64]] = []
    tally = SizeTally()

    def count(pair: FilePair) -> tuple[NDArray[Any], tuple[int, int]]:
        maps = _read_pair(pair)
        counts = _count_maps(pair, maps, _DRIVABLE_VALUES, strict)
        return counts[:NUM_CLASSES, :NUM_CLASSES].copy(), maps[0].shape

    for counts, size in in_threads(count, pairs, progress):
        by_pair.append(counts)
        tally.add(*size)
    raw = np.sum(by_pair, axis=0)
    targets = _evidence(target_dir, "target", raw.sum(axis=1), [pair.target for pair in pairs])
    preds = _evidence(pred_dir, "pred", raw.sum(axis=0), [pair.pred for pair in pairs if pair.pred])
    decided = decide_encoding(targets, target_encoding), decide_encoding(preds, pred_encoding)
    order = [_raw_values_in_2018_order(encoding) for encoding in decided]
    by_frame = FrameTally(NUM_CLASSES)
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), dtype=np.int64)
    for pair, counts in zip(pairs, by_pair, strict=True):
        ordered = np.pad(counts[np.ix_(*order)], ((0, 0), (0, 1)))  # no prediction is void
        confusion += ordered
        by_frame.add(pair.name, ordered)
    doubt = ""
    if preds.from_data != decided[1]:
        doubt = f"{preds.describe()}: is it really the {decided[1]} encoding?"
    conditions = _conditions(target_dir, evaluation_set, strict.name, tally)
    class_names = label_set_for("bdd100k_drivable", encoding="2018").class_names
    scores = Scores(
        confusion,
        class_names,
        conditions,
        tally.num_images,
        frames=tuple(pair.name for pair in pairs),
        frame_counts=by_frame.collect(),
    )
    return DrivableScores(scores, *decided, doubt)


def count_pair(
    pair: FilePair, table: LabelSet, rules: Policy
) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """Count raw value pairs of one frame and check its values; (256, 256) and (H, W)."""
    maps = _read_pair(pair)
    return _count_maps(pair, maps, table, rules), maps[0].shape


def _read_pair(pair: FilePair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read target and prediction, (H, W) each; a missing prediction is all void."""
    target = read_label_map(pair.target)
    pred = np.full_like(target, IGNORE_INDEX) if pair.pred is None else read_label_map(pair.pred)
    if pred.shape != target.shape:
        raise ImageFileError(
            f"{pair.pred} is {_size(pred)}, but its target {pair.target} is {_size(target)}; write "
            "predictions at the target's size"
        )
    return target, pred


def _count_maps(
    pair: FilePair, maps: tuple[NDArray[Any], NDArray[Any]], table: LabelSet, rules: Policy
) -> NDArray[np.int64]:
    """Count raw value pairs of one frame, (256, 256), and check its values."""
    counts = count_pairs(*maps)
    is_unknown = table.lookup < 0
    if counts[is_unknown].any():
        _raise_for_values(maps[0], table, pair.target)
    if counts[:, is_unknown].any() and not rules.folds_unknown_predictions:
        _raise_for_values(maps[1], table, pair.pred)
    return counts


def _raise_for_values(label_map: NDArray[np.uint8], table: LabelSet, path: Path | None) -> None:
    """Let the table explain which values it does not know, and add what to try."""
    try:
        table.to_train_ids(label_map, path or "label map")
    except LabelValueError as error:
        if table is _DRIVABLE_VALUES:
            raise
        hint = "--encoding says whether files hold train ids or the data set's own label ids"
        raise LabelValueError(f"{error} ({hint})") from None


def in_threads(
    count: Callable[[Any], Any], pairs: Sequence[Any], progress: Progress | None
) -> Iterator[Any]:
    """Yield ``count(pair)`` in order; an error cancels what has not started."""
    workers = min(_MAX_THREADS, os.cpu_count() or 1, len(pairs))
    with ThreadPoolExecutor(workers) as pool:
        for done, result in enumerate(pool.map(count, pairs), start=1):
            yield result
            if progress is not None:
                progress(done, len(pairs))


def _train_id_table(table: LabelSet) -> LabelSet:
    """Make the table of files that hold train ids themselves: 0..K-1 and 255."""
    rows = [
        Label(info.name, train_id, train_id, info.color)
        for train_id, info in enumerate(table.classes)
    ]
    rows.append(Label("ignored", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0)))
    return LabelSet(f"{table.name} train ids", tuple(rows))


def _raw_values_in_2018_order(encoding: str) -> list[int]:
    """Return the raw values that stand for background, direct and alternative."""
    inverse = label_set_for("bdd100k_drivable", encoding=encoding).inverse
    return [int(value) for value in inverse[:NUM_CLASSES]]


def _conditions(target_dir: Path, evaluation_set: str, policy: str, tally: SizeTally) -> Conditions:
    name = evaluation_set or Path(target_dir).resolve().name
    return Conditions(name, policy, tally.resolution(), inference="files")


def _evidence(
    folder: Path, role: str, pixels_per_value: NDArray[np.int64], paths: Sequence[Path]
) -> EncodingEvidence:
    suffixed = all(path.stem.endswith(SUFFIX_2018) for path in paths)
    return EncodingEvidence(str(folder), role, pixels_per_value, suffixed)


def _size(label_map: NDArray[Any]) -> str:
    return f"{label_map.shape[0]}x{label_map.shape[1]} (H x W)"
