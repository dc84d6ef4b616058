"""Scores of a submission against local label maps: what ``segibn score`` says of the same maps."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from segibn.data.datasets.bdd100k_drivable import DRIVABLE_2018
from segibn.errors import DatasetError
from segibn.evaluation.drivable import DrivableScores
from segibn.evaluation.encodings import Reading, read_as, readings_of
from segibn.evaluation.file_scores import Maps, conditions_of, score_pairs
from segibn.evaluation.matching import FilePair, index_label_maps
from segibn.evaluation.score_folders import drivable_reading
from segibn.evaluation.scores import Scores
from segibn.labels.drivable_encoding import decide_drivable_encoding
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.submission.expected import SHOWN, Expected
from segibn.submission.formats import Format
from segibn.submission.report import Entry
from segibn.text import counted, listed


class LocalScorer:
    """Scores the maps of labelled frames; labels of frames that are not expected are left alone.

    Args:
        folder: label maps, searched with its subfolders; DatasetError if it holds none of them.
        target_encoding: of drivable label maps: "auto", "2018" or "2021".
    """

    def __init__(
        self, form: Format, folder: Path, expected: Expected, target_encoding: str = "auto"
    ) -> None:
        self._form, self._folder, self._encoding = form, Path(folder), target_encoding
        found = index_label_maps(self._folder, form.targets)
        self._targets = {
            key: found[key] for key in sorted(found) if expected.size_of(key) is not None
        }
        if not self._targets:
            raise DatasetError(
                f"{folder}: no label map belongs to a frame of {expected.source}; they are named "
                f"like '{next(iter(found.values())).name}'"
            )

    def score(
        self, maps: Mapping[str, Entry], faulty: Collection[str]
    ) -> tuple[Scores | DrivableScores | None, str]:
        """Return the scores and a remark on them, or None and why there are none.

        Args:
            maps: by key, those that count.
            faulty: keys of maps that cannot be read.
        """
        remark = ""
        if bad := [key for key in self._targets if key in faulty]:
            of = counted(len(bad), "labelled frame")
            return None, f"not scored: faulty maps of {of}: {listed(bad, SHOWN)}"
        if missing := [key for key in self._targets if key not in maps]:
            of = counted(len(missing), "labelled frame")
            named = f"no map for {of}: {listed(missing, SHOWN)}"
            if not self._form.missing_is_void or len(missing) == len(self._targets):
                return None, f"not scored, as the benchmark's script would stop: {named}"
            remark = f"scored as all void, as the benchmark's script does: {named}"

        pairs = [
            FilePair(key, path, Path(maps[key].name) if key in maps else None)
            for key, path in self._targets.items()
        ]
        if self._form.is_drivable:
            own = "2018" if self._form.labels == DRIVABLE_2018 else "2021"
            paths = list(self._targets.values())
            decided = decide_drivable_encoding(
                paths, self._encoding, option="--target-encoding", also_allowed=range(256)
            )
            reading = drivable_reading(decided.encoding, own, has_options=False)
            conditions = conditions_of(self._folder, "", "cityscapes")
            scores = score_pairs(
                pairs, reading, conditions, doubts=[decided.doubt], read=partial(_read, maps)
            )
            return DrivableScores(scores, decided.encoding, own), remark
        labels, kind = self._form.labels, self._form.targets
        tables = read_as(labels, kind), read_as(labels, kind)
        reading = Reading(tables, (kind, kind), readings_of(labels), has_options=False)
        policy = "bdd100k" if self._form.missing_is_void else "cityscapes"
        conditions = conditions_of(self._folder, "", policy)
        return score_pairs(pairs, reading, conditions, read=partial(_read, maps)), remark


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
