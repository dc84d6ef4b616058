"""Scores of label maps on disk: two folders of PNGs in, scores out. Needs no torch."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.boundary import BoundaryCounts
from segibn.evaluation.confusion import fold_pairs
from segibn.evaluation.drivable import NUM_CLASSES, DrivableScores
from segibn.evaluation.encodings import (
    OPTION,
    decide_encodings,
    doubt_of_reading,
    read_as,
    readings_of,
)
from segibn.evaluation.evaluate import SizeTally
from segibn.evaluation.file_counts import (
    DRIVABLE_VALUES,
    Progress,
    RawCounts,
    conditions_of,
    count_maps,
    in_threads,
    read_pair,
)
from segibn.evaluation.frame_counts import FrameTally
from segibn.evaluation.matching import FilePair, find_label_maps, match_label_maps
from segibn.evaluation.metrics import policy_named
from segibn.evaluation.scores import LabelConfusion, Scores
from segibn.labels.catalog import label_set_for
from segibn.labels.drivable_encoding import DRIVABLE_ENCODINGS, decide_drivable_encoding
from segibn.labels.label_set import IGNORE_INDEX, LabelSet

SEMSEG_TABLES = {
    "cityscapes": "cityscapes",
    "bdd100k": "bdd100k_semseg",
    **{name: name for name in ("camvid", "gta5", "mapillary/rein", "mapillary/robustnet")},
    **{name: name for name in ("synthia", "urbansyn", "wilddash2")},
    **dict.fromkeys(("acdc", "dark_zurich", "foggy_cityscapes", "idd"), "cityscapes"),
    **dict.fromkeys(("kitti", "nighttime_driving"), "cityscapes"),
}
"""Name on the command line -> data set (and label map) whose table and classes are used."""


def score_semseg(
    target_dir: Path,
    pred_dir: Path,
    labels: str = "cityscapes",
    *,
    target_encoding: str = "auto",
    pred_encoding: str = "auto",
    policy: str = "cityscapes",
    evaluation_set: str = "",
    boundary: bool = False,
    progress: Progress | None = None,
) -> Scores:
    """Score a folder of predicted label maps against a folder of ground truth.

    Args:
        target_dir: searched with its subfolders; for what is one frame see ``matching``.
        pred_dir: the same.
        labels: key in ``SEMSEG_TABLES``.
        target_encoding: "train_ids" (class indices and 255), "label_ids" (the data set's own
            values), or "auto": what names or values tell, else as in ``default_encoding``.
        pred_encoding: the same. Where both sides hold label ids, the counts over those are kept.
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
    rules = policy_named(policy)
    own_table = semseg_table(labels)
    sides = [
        find_label_maps(target_dir, target_encoding, "--target-encoding"),
        find_label_maps(pred_dir, pred_encoding, "--pred-encoding"),
    ]
    pairs = match_label_maps(*sides, missing_allowed=rules.missing_prediction_is_void)
    encodings = decide_encodings(sides, pairs, own_table, (target_encoding, pred_encoding))
    tables = [read_as(own_table, encoding) for encoding in encodings]
    k = own_table.num_classes
    lookups = [np.where(table.lookup < 0, IGNORE_INDEX, table.lookup) for table in tables]
    raw = RawCounts()
    tally, by_frame, edges = SizeTally(), FrameTally(k), BoundaryCounts(k)

    def count(pair: FilePair) -> tuple[Any, NDArray[Any], NDArray[Any] | int, tuple[int, int]]:
        maps = read_pair(pair, tables[0].storage)
        counts = count_maps(pair, maps, tables, rules)
        classes = (lookup[values] for lookup, values in zip(lookups, maps, strict=True))
        edge_counts = edges.counts_of(*classes) if boundary else 0
        return raw.packed(counts), fold_pairs(counts, k, *lookups), edge_counts, maps[0].shape

    for pair, counts in zip(pairs, in_threads(count, pairs, progress), strict=True):
        pixels, folded, edge_counts, size = counts
        raw.add(pixels)
        edges.counts += edge_counts
        by_frame.add(pair.name, folded)
        tally.add(*size)
    readings = readings_of(own_table)
    return Scores(
        fold_pairs(raw.counts, k, *lookups),
        own_table.class_names,
        conditions_of(target_dir, evaluation_set, policy, tally),
        tally.num_images,
        frames=tuple(pair.name for pair in pairs),
        label_confusion=_label_confusion(raw.counts, own_table, encodings),
        frame_counts=by_frame.collect(),
        details={"boundary": edges.to_dict(own_table.class_names)} if boundary else {},
        reading_doubt=doubt_of_reading(raw.counts, readings, readings, encodings, OPTION),
    )


def semseg_table(labels: str) -> LabelSet:
    """Return the table of a key in ``SEMSEG_TABLES``."""
    dataset, _, label_map = SEMSEG_TABLES[labels].partition("/")
    return label_set_for(dataset, label_map=label_map or None)


def _label_confusion(
    raw: NDArray[np.int64], table: LabelSet, encodings: tuple[str, str]
) -> LabelConfusion | None:
    if encodings != ("label_ids", "label_ids"):
        return None
    values = np.flatnonzero(table.lookup >= 0)
    return LabelConfusion(tuple(values.tolist()), raw[np.ix_(values, values)])


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

    Args:
        target_dir: searched with its subfolders; for what is one frame see ``matching``.
        pred_dir: the same; every target needs its prediction.
        target_encoding: "auto", "2018" or "2021"; see ``labels.drivable_encoding``.
        pred_encoding: the same.
        evaluation_set: for the signature; the target folder's name when empty.
        progress: see ``Progress``.

    Raises:
        DatasetError: folders, names or pairing are wrong, or an encoding cannot be told.
        ImageFileError: a file is unreadable, or the sizes of a pair differ.
        LabelValueError: a file holds a value other than 0, 1, 2.
    """
    sides = [find_label_maps(folder) for folder in (target_dir, pred_dir)]
    pairs = match_label_maps(*sides)
    strict = policy_named("cityscapes")
    tables = [DRIVABLE_VALUES] * 2
    by_pair: list[NDArray[np.int64]] = []
    tally = SizeTally()

    def count(pair: FilePair) -> tuple[NDArray[Any], tuple[int, int]]:
        maps = read_pair(pair)
        counts = count_maps(pair, maps, tables, strict)
        return counts[:NUM_CLASSES, :NUM_CLASSES].copy(), maps[0].shape

    for counts, size in in_threads(count, pairs, progress):
        by_pair.append(counts)
        tally.add(*size)
    decided = [
        decide_drivable_encoding(paths, given, option=f"--{role}-encoding")
        for paths, given, role in (
            ([pair.target for pair in pairs], target_encoding, "target"),
            ([pair.pred for pair in pairs if pair.pred], pred_encoding, "pred"),
        )
    ]
    years = decided[0].encoding, decided[1].encoding
    order = [_raw_values_in_2018_order(year) for year in years]
    by_frame = FrameTally(NUM_CLASSES)
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), dtype=np.int64)
    for pair, counts in zip(pairs, by_pair, strict=True):
        ordered = np.pad(counts[np.ix_(*order)], ((0, 0), (0, 1)))  # no prediction is void
        confusion += ordered
        by_frame.add(pair.name, ordered)
    readings = drivable_readings()
    raw = np.zeros((256, 256), np.int64)
    raw[:NUM_CLASSES, :NUM_CLASSES] = np.sum(by_pair, axis=0)
    doubts = [one.doubt for one in decided] + [
        doubt_of_reading(raw, readings, readings, years, OPTION)
    ]
    scores = Scores(
        confusion,
        label_set_for("bdd100k_drivable", encoding="2018").class_names,
        conditions_of(target_dir, evaluation_set, strict.name, tally),
        tally.num_images,
        frames=tuple(pair.name for pair in pairs),
        frame_counts=by_frame.collect(),
        reading_doubt="; ".join(filter(None, doubts)),
    )
    return DrivableScores(scores, *years)


def drivable_readings() -> dict[str, NDArray[np.integer]]:
    """Return how drivable maps are read in each encoding: year -> lookup."""
    return {
        year: label_set_for("bdd100k_drivable", encoding=year).lookup for year in DRIVABLE_ENCODINGS
    }


def _raw_values_in_2018_order(encoding: str) -> list[int]:
    """Return the raw values that stand for background, direct and alternative."""
    inverse = label_set_for("bdd100k_drivable", encoding=encoding).inverse
    return [int(value) for value in inverse[:NUM_CLASSES]]
