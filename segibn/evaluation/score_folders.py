"""Scores of label maps on disk: two folders of PNGs in, scores out."""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from segibn.data.datasets.catalog import dataset_source, dataset_sources
from segibn.errors import ConfigError
from segibn.evaluation.drivable import DrivableScores, batched_miou, small_counts
from segibn.evaluation.encodings import Reading
from segibn.evaluation.file_scores import FileTally, Progress, conditions_of, score_pairs
from segibn.evaluation.frame_pairs import frame_name
from segibn.evaluation.matching import find_label_maps, match_label_maps, read_folders
from segibn.evaluation.measures import measured
from segibn.evaluation.metrics import policy_named
from segibn.evaluation.scores import Scores
from segibn.labels.drivable_encoding import DRIVABLE_ENCODINGS, decide_drivable_encoding
from segibn.labels.label_set import LabelSet
from segibn.text import did_you_mean, printable


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
    """Score a folder of predicted label maps against one of ground truth, subfolders included.

    DatasetError, ImageFileError, LabelValueError: of folders, files and their values.

    Args:
        labels: key in `semseg_tables`, or a table.
        target_encoding: "train_ids" (class indices and 255), "label_ids" (the data set's own
            values) or "auto", see ``read_folders``.
        policy: key in ``metrics.POLICIES``. "bdd100k" counts a missing prediction and unknown
            predicted values as void; with "cityscapes" they are errors.
        measures: names of ``measures.METRICS``.
        endings: of names without the file's suffix, that are no part of a frame's name either.
    """
    if isinstance(labels, str):
        tables = semseg_tables()
        if labels not in tables:
            hint = did_you_mean(labels, tables) or f"; there are {', '.join(tables)}"
            raise ConfigError(f"no label table '{printable(labels)}'{hint} Your own: a config (CONFIG.yaml)")
        labels = tables[labels]
    encodings, name_of = (target_encoding, pred_encoding), partial(frame_name, endings=endings)
    may_lack = policy_named(policy).lacking_is_void
    pairs, reading = read_folders(target_dir, pred_dir, labels, encodings, missing_allowed=may_lack, name_of=name_of)
    conditions = conditions_of(target_dir, evaluation_set, policy)
    metrics = measured(measures, labels.class_names)
    return score_pairs(pairs, reading, conditions, metrics=metrics, progress=progress)


def score_drivable(
    target_dir: Path,
    pred_dir: Path,
    *,
    target_encoding: str = "auto",
    pred_encoding: str = "auto",
    evaluation_set: str = "",
    progress: Progress | None = None,
) -> DrivableScores:
    """Score drivable maps under all definitions; encodings are "auto", "2018" or "2021"."""
    pairs = match_label_maps(find_label_maps(target_dir), find_label_maps(pred_dir))
    decided = [
        decide_drivable_encoding(paths, given, option=f"--{role}-encoding", also_allowed=range(256))
        for paths, given, role in (
            ([pair.target for pair in pairs], target_encoding, "target"),
            ([pair.pred for pair in pairs if pair.pred], pred_encoding, "pred"),
        )
    ]
    years = decided[0].encoding, decided[1].encoding
    reading, doubts = drivable_reading(*years), [one.doubt for one in decided]
    conditions = conditions_of(target_dir, evaluation_set, "cityscapes")
    tally = FileTally(pairs, reading, conditions)
    small = tally.count(lambda _, maps, __: small_counts(*reading.train_ids(maps)), progress=progress)
    frames = [found for _, found in small]
    return DrivableScores(tally.result(*doubts), *years, batched_miou(frames))


def drivable_reading(target: str, pred: str, *, has_options: bool = True) -> Reading:
    """Return how drivable maps of two encodings, "2018" or "2021", are read."""
    label_set = dataset_source("bdd100k_drivable").label_set
    known = {year: label_set(encoding=year) for year in DRIVABLE_ENCODINGS}
    lookups = {year: table.lookup for year, table in known.items()}
    return Reading((known[target], known[pred]), (target, pred), lookups, has_options)
