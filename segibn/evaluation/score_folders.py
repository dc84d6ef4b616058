"""Scores of label maps on disk: two folders of PNGs in, scores out. Needs no torch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.data.datasets.catalog import dataset_sources, label_set_for
from segibn.errors import ConfigError
from segibn.evaluation.confusion import fold_pairs
from segibn.evaluation.drivable import DrivableScores
from segibn.evaluation.encodings import (
    OPTION,
    decide_encodings,
    doubt_of_reading,
    read_as,
    readings_of,
)
from segibn.evaluation.evaluate import ScoreTally
from segibn.evaluation.file_counts import (
    VALUES_HINT,
    Maps,
    Progress,
    RawCounts,
    conditions_of,
    count_maps,
    in_threads,
    read_pair,
)
from segibn.evaluation.frame_pairs import frame_name
from segibn.evaluation.matching import FilePair, find_label_maps, match_label_maps
from segibn.evaluation.measure import Frame, FramePrediction, Metric
from segibn.evaluation.measures import measured
from segibn.evaluation.metrics import policy_named
from segibn.evaluation.scores import Conditions, LabelConfusion, Scores
from segibn.labels.drivable_encoding import (
    DRIVABLE_ENCODINGS,
    Decision,
    decide_drivable_encoding,
)
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.text import did_you_mean, printable

ReadPair = Callable[[FilePair, Sequence[LabelSet]], Maps]
"""Reads a pair as the tables of its sides do."""


@cache
def semseg_tables() -> dict[str, LabelSet]:
    """Return name on the command line, ``mapillary/rein``, -> the table that scores its files."""
    tables = {}
    for source in dataset_sources():
        if source.tables:
            own = source.scored_as or source.label_set()
            tables[source.name.removesuffix("_semseg")] = own
        for name, mapped in source.label_maps.items():
            tables[f"{source.name}/{name}"] = next(iter(mapped.values()))
    return tables


def score_semseg(
    target_dir: Path,
    pred_dir: Path,
    labels: str | LabelSet = "cityscapes",
    *,
    target_encoding: str = "auto",
    pred_encoding: str = "auto",
    policy: str = "cityscapes",
    evaluation_set: str = "",
    measures: Sequence[str] = (),
    progress: Progress | None = None,
    endings: Sequence[str] = (),
) -> Scores:
    """Score a folder of predicted label maps against a folder of ground truth.

    Args:
        target_dir: searched with its subfolders; for what is one frame see ``matching``.
        pred_dir: the same.
        labels: key in `semseg_tables`, or a table.
        target_encoding: "train_ids" (class indices and 255), "label_ids" (the data set's own
            values), or "auto": what names or values tell, else as in ``default_encoding``.
        pred_encoding: the same. Where both sides hold label ids, the counts over those are kept.
        policy: key in ``metrics.POLICIES``. "bdd100k" counts a missing prediction and unknown
            predicted values as void; with "cityscapes" they are errors.
        evaluation_set: for the signature; the target folder's name when empty.
        measures: names of what to measure too, see ``measures.METRICS``.
        progress: see ``Progress``.
        endings: of names without the file's suffix, that are no part of a frame's name either.

    Raises:
        DatasetError: folders, names or pairing are wrong.
        ImageFileError: a file is unreadable, or the sizes of a pair differ.
        LabelValueError: a file holds a value outside the table.
    """
    own_table = labels if isinstance(labels, LabelSet) else semseg_table(labels)
    void_allowed = policy_named(policy).missing_prediction_is_void
    sides = [
        find_label_maps(target_dir, target_encoding, "--target-encoding"),
        find_label_maps(pred_dir, pred_encoding, "--pred-encoding"),
    ]
    pairs = match_label_maps(
        *sides, missing_allowed=void_allowed, name_of=partial(frame_name, endings=tuple(endings))
    )
    encodings = decide_encodings(sides, pairs, own_table, (target_encoding, pred_encoding))
    conditions = conditions_of(target_dir, evaluation_set, policy)
    metrics = measured(measures, own_table.class_names)
    return score_semseg_pairs(pairs, own_table, encodings, conditions, metrics, progress)


def score_semseg_pairs(
    pairs: Sequence[FilePair],
    table: LabelSet,
    encodings: tuple[str, str],
    conditions: Conditions,
    metrics: Sequence[Metric] = (),
    progress: Progress | None = None,
    read: ReadPair = read_pair,
    option: str = OPTION,
) -> Scores:
    """Score pairs of label maps whose encodings are known; ``option`` as of `doubt_of_reading`."""
    tables = [read_as(table, encoding) for encoding in encodings]
    scores, raw = _score(pairs, tables, conditions, progress, metrics, VALUES_HINT, read)
    label_confusion = None
    if encodings == ("label_ids", "label_ids"):
        values = np.flatnonzero(table.lookup >= 0)
        label_confusion = LabelConfusion(tuple(values.tolist()), raw[np.ix_(values, values)])
    readings = readings_of(table)
    doubt = doubt_of_reading(raw, readings, readings, encodings, option)
    return replace(scores, label_confusion=label_confusion, reading_doubt=doubt)


def _score(
    pairs: Sequence[FilePair],
    tables: Sequence[LabelSet],
    conditions: Conditions,
    progress: Progress | None,
    metrics: Sequence[Metric] = (),
    hint: str = "",
    read: ReadPair = read_pair,
) -> tuple[Scores, NDArray[np.int64]]:
    """Count pairs, each side read by its own table; returns the raw counts, (256, 256), too."""
    k, names = tables[0].num_classes, tables[0].class_names
    rules = policy_named(conditions.policy)
    lookups = [np.where(table.lookup < 0, IGNORE_INDEX, table.lookup) for table in tables]
    raw, tally = RawCounts(), ScoreTally(names, conditions, [pair.name for pair in pairs])

    def count(pair: FilePair) -> tuple[Any, NDArray[Any], list[NDArray[Any]], tuple[int, ...]]:
        maps = read(pair, tables)
        counts = count_maps(pair, maps, tables, rules, hint)
        target, pred = (lookup[values] for lookup, values in zip(lookups, maps, strict=True))
        frame, prediction = Frame(pair.name, None, target), FramePrediction(pred)
        more = [metric.of(frame, prediction) for metric in metrics]
        return raw.packed(counts), fold_pairs(counts, k, *lookups), more, target.shape

    for pair, counts in zip(pairs, in_threads(count, pairs, progress), strict=True):
        pixels, folded, more, size = counts
        raw.add(pixels)
        tally.add(pair.name, folded, size)
        for metric, found in zip(metrics, more, strict=True):
            metric.sums += found
    details = {metric.name: metric.result() for metric in metrics}
    return replace(tally.result(), details=details), raw.counts


def semseg_table(labels: str) -> LabelSet:
    """Return the table of a key in `semseg_tables`.

    Raises:
        ConfigError: no such key.
    """
    tables = semseg_tables()
    if labels not in tables:
        hint = did_you_mean(labels, tables) or f"; there are {', '.join(tables)}"
        raise ConfigError(
            f"no label table '{printable(labels)}'{hint} Your own: a config (CONFIG.yaml)"
        )
    return tables[labels]


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
    pairs = match_label_maps(*(find_label_maps(folder) for folder in (target_dir, pred_dir)))
    decided = [
        decide_drivable_encoding(paths, given, option=f"--{role}-encoding", also_allowed=range(256))
        for paths, given, role in (
            ([pair.target for pair in pairs], target_encoding, "target"),
            ([pair.pred for pair in pairs if pair.pred], pred_encoding, "pred"),
        )
    ]
    conditions = conditions_of(target_dir, evaluation_set, "cityscapes")
    return score_drivable_pairs(pairs, decided, conditions, progress)


def score_drivable_pairs(
    pairs: Sequence[FilePair],
    decided: Sequence[Decision],
    conditions: Conditions,
    progress: Progress | None = None,
    read: ReadPair = read_pair,
    option: str = OPTION,
) -> DrivableScores:
    """Score pairs of drivable maps, by what was decided of their encodings."""
    years = decided[0].encoding, decided[1].encoding
    tables = [label_set_for("bdd100k_drivable", encoding=year) for year in years]
    scores, raw = _score(pairs, tables, conditions, progress, read=read)
    readings = drivable_readings()
    doubts = [one.doubt for one in decided]
    doubts.append(doubt_of_reading(raw, readings, readings, years, option))
    return DrivableScores(
        replace(scores, reading_doubt="; ".join(dict.fromkeys(filter(None, doubts)))), *years
    )


def drivable_readings() -> dict[str, NDArray[np.integer]]:
    """Return how drivable maps are read in each encoding: year -> lookup."""
    return {
        year: label_set_for("bdd100k_drivable", encoding=year).lookup for year in DRIVABLE_ENCODINGS
    }
