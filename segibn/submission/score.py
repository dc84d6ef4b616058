"""Scores of a submission against local label maps: what ``segibn score`` says of the same maps."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from segibn.data.datasets.bdd100k_drivable import DRIVABLE_2018
from segibn.errors import DatasetError
from segibn.evaluation.drivable import DrivableScores
from segibn.evaluation.encodings import Reading
from segibn.evaluation.file_scores import Maps, conditions_of, score_pairs
from segibn.evaluation.frame_pairs import frame_name, same_frame
from segibn.evaluation.matching import FilePair, find_label_maps
from segibn.evaluation.score_folders import drivable_reading
from segibn.evaluation.scores import Scores
from segibn.labels.drivable_encoding import decide_drivable_encoding
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.submission.expected import SHOWN, Expected
from segibn.submission.formats import Format
from segibn.submission.report import Entry
from segibn.text import counted, listed


def local_targets(form: Format, folder: Path, expected: Expected) -> dict[str, Path]:
    """Find the label maps of expected frames below a folder; DatasetError if it holds none."""
    side, found = find_label_maps(folder, form.targets), dict[str, Path]()
    for path in (side.source / path for path in side.paths):
        other = found.setdefault(frame_name(path), path)
        if other is not path:
            raise DatasetError(same_frame(folder, [other, path]))
    targets = {key: found[key] for key in sorted(found) if expected.size_of(key) is not None}
    if not targets:
        raise DatasetError(
            f"{folder}: no label map belongs to a frame of {expected.source}; they are named "
            f"like '{next(iter(found.values())).name}'"
        )
    return targets


def score_locally(
    form: Format,
    folder: Path,
    targets: Mapping[str, Path],
    maps: Mapping[str, Entry],
    faulty: Collection[str],
    encoding: str,
) -> tuple[Scores | DrivableScores | None, str]:
    """Return the scores of labelled frames and a remark on them, or None and why there are none.

    Args:
        maps: by key, those that count.
        encoding: of drivable label maps: "auto", "2018" or "2021".
    """
    remark = ""
    if bad := [key for key in targets if key in faulty]:
        of = counted(len(bad), "labelled frame")
        return None, f"not scored: faulty maps of {of}: {listed(bad, SHOWN)}"
    if missing := [key for key in targets if key not in maps]:
        of = counted(len(missing), "labelled frame")
        named = f"no map for {of}: {listed(missing, SHOWN)}"
        if not form.missing_is_void or len(missing) == len(targets):
            return None, f"not scored, as the benchmark's script would stop: {named}"
        remark = f"scored as all void, as the benchmark's script does: {named}"

    pairs = [FilePair(key, path, Path(maps[key].name) if key in maps else None) for key, path in targets.items()]
    read = partial(_read, maps)
    if form.is_drivable:
        own = "2018" if form.labels == DRIVABLE_2018 else "2021"
        decided = decide_drivable_encoding(
            list(targets.values()), encoding, option="--target-encoding", also_allowed=range(256)
        )
        reading = drivable_reading(decided.encoding, own, has_options=False)
        conditions = conditions_of(folder, "", "cityscapes")
        scores = score_pairs(pairs, reading, conditions, doubts=[decided.doubt], read=read)
        return DrivableScores(scores, decided.encoding, own), remark
    reading = Reading.of(form.labels, (form.targets, form.targets), has_options=False)
    conditions = conditions_of(folder, "", "bdd100k" if form.missing_is_void else "cityscapes")
    return score_pairs(pairs, reading, conditions, read=read), remark


def _read(maps: Mapping[str, Entry], pair: FilePair, tables: Sequence[LabelSet]) -> Maps:
    target = tables[0].read(pair.target)
    if pair.pred is None:
        return target, np.full_like(target, IGNORE_INDEX)
    values = maps[pair.name].load()[1]
    assert values is not None  # else it is faulty
    if target.shape != values.shape:
        raise DatasetError(
            f"{pair.target} is {target.shape[0]}x{target.shape[1]}, but the map of "
            f"{pair.name} is {values.shape[0]}x{values.shape[1]} (H x W)"
        )
    return target, values
