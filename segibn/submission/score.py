"""Scores of a submission against local label maps, counted while it is checked. NumPy only.

In: the folder of a labelled set and the values of one map at a time. Out: what ``segibn score``
says about the same maps in a folder: integer counts over the whole set, signed.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segibn.data.datasets.catalog import label_set_for
from segibn.errors import DatasetError
from segibn.evaluation.confusion import count_pairs, fold_pairs
from segibn.evaluation.drivable import NUM_CLASSES, DrivableScores
from segibn.evaluation.encodings import doubt_of_reading, readings_of
from segibn.evaluation.evaluate import SizeTally
from segibn.evaluation.matching import index_label_maps
from segibn.evaluation.score_folders import drivable_readings
from segibn.evaluation.scores import Conditions, LabelConfusion, Scores
from segibn.labels.drivable_encoding import decide_drivable_encoding
from segibn.labels.label_set import IGNORE_INDEX
from segibn.submission.expected import SHOWN, Expected
from segibn.submission.formats import Format, Size
from segibn.text import counted, listed

_DRIVABLE = "bdd100k_drivable"


class LocalScorer:
    """Counts the maps of labelled frames.

    ``count`` may be called from several threads; everything else belongs to one.

    Args:
        form: the benchmark's format.
        folder: label maps, searched with its subfolders.
        expected: frames of the submission; labels of others are left alone.
        target_encoding: of drivable label maps: "auto", "2018" or "2021".

    Raises:
        DatasetError: the folder is missing or holds no label of an expected frame.
    """

    def __init__(
        self, form: Format, folder: Path, expected: Expected, target_encoding: str = "auto"
    ) -> None:
        self._form, self._folder, self._encoding = form, Path(folder), target_encoding
        found = index_label_maps(self._folder, form.targets)
        self._targets = {
            key: path for key, path in found.items() if expected.size_of(key) is not None
        }
        if not self._targets:
            raise DatasetError(
                f"{folder}: no label map belongs to a frame of {expected.source}; they are named "
                f"like '{next(iter(found.values())).name}'"
            )
        self._values = np.flatnonzero(form.knows)
        # Rows target values; the last column counts the pixels of frames without a map.
        self._counts = np.zeros((len(self._values), len(self._values) + 1), np.int64)
        self._done: set[str] = set()
        self._faulty: list[str] = []
        self._tally = SizeTally()

    def count(self, key: str, values: NDArray[np.uint8]) -> NDArray[np.int64] | None:
        """Count one map against its label map; None if there is none.

        Returns:
            (V, V) int64 over the V values that the format knows, rows target.

        Raises:
            ImageFileError: the label map cannot be read.
            LabelValueError: it holds a value outside its table.
            DatasetError: it has another size than the map.
        """
        path = self._targets.get(key)
        if path is None:
            return None
        target = self._read(path)
        if target.shape != values.shape:
            raise DatasetError(
                f"{path} is {target.shape[0]}x{target.shape[1]}, but the map of {key} is "
                f"{values.shape[0]}x{values.shape[1]} (H x W)"
            )
        return count_pairs(target, values)[np.ix_(self._values, self._values)]

    def add(self, key: str, counts: NDArray[np.int64], size: Size) -> None:
        """Add what ``count`` returned for a map of (H, W)."""
        self._counts[:, :-1] += counts
        self._done.add(key)
        self._tally.add(*size)

    def exclude(self, key: str) -> None:
        """Note that a frame's map cannot be read, so that there is no score."""
        if key in self._targets:
            self._faulty.append(key)

    def result(self) -> tuple[Scores | DrivableScores | None, str]:
        """Return the scores and a remark on them, or None and why there are none.

        Raises:
            DatasetError: the encoding of drivable label maps cannot be told.
        """
        if self._faulty:
            faulty = listed(self._faulty, SHOWN)
            of = counted(len(self._faulty), "labelled frame")
            return None, f"not scored: faulty maps of {of}: {faulty}"
        missing = sorted(set(self._targets) - self._done)
        remark = ""
        if missing:
            named = (
                f"no map for {counted(len(missing), 'labelled frame')}: {listed(missing, SHOWN)}"
            )
            if not self._form.missing_is_void or not self._done:
                return None, f"not scored, as the benchmark's script would stop: {named}"
            remark = f"scored as all void, as the benchmark's script does: {named}"
            for key in missing:
                self._add_void(self._targets[key])
        return (self._drivable() if self._form.is_drivable else self._semantic()), remark

    def _read(self, path: Path) -> NDArray[np.uint8]:
        target = self._form.labels.read(path)
        self._form.labels.to_train_ids(target, path)  # explains the values it does not know
        return target

    def _add_void(self, path: Path) -> None:
        target = self._read(path)
        pixels = np.bincount(target.ravel(), minlength=256)
        self._counts[:, -1] += pixels[self._values]
        self._tally.add(*target.shape)

    def _semantic(self) -> Scores:
        labels = self._form.labels
        k = labels.num_classes
        columns = [*self._values.tolist(), IGNORE_INDEX]
        pairs = np.zeros((256, 256), np.int64)
        np.add.at(pairs, np.ix_(self._values, columns), self._counts)
        lookup = np.where(labels.lookup < 0, IGNORE_INDEX, labels.lookup)
        by_label = None
        if self._form.targets == "label_ids":
            by_label = LabelConfusion(tuple(self._values.tolist()), self._counts[:, :-1])
        policy = "bdd100k" if self._form.missing_is_void else "cityscapes"
        readings = readings_of(labels)
        chosen = (self._form.targets, self._form.targets)
        return Scores(
            fold_pairs(pairs, k, lookup, lookup),
            labels.class_names,
            self._conditions(policy),
            self._tally.num_images,
            frames=tuple(sorted(self._targets)),
            label_confusion=by_label,
            reading_doubt=doubt_of_reading(pairs, readings, readings, chosen),
        )

    def _drivable(self) -> DrivableScores:
        decided = decide_drivable_encoding(
            list(self._targets.values()), self._encoding, option="--target-encoding"
        )
        encoding = decided.encoding
        own = "2018" if self._form.labels == label_set_for(_DRIVABLE, encoding="2018") else "2021"
        rows, columns = (
            label_set_for(_DRIVABLE, encoding=name).inverse[:NUM_CLASSES].tolist()
            for name in (encoding, own)
        )
        raw = np.zeros((256, 256), np.int64)
        raw[:NUM_CLASSES, :NUM_CLASSES] = self._counts[:, :-1]
        readings = drivable_readings()
        doubts = [decided.doubt, doubt_of_reading(raw, readings, readings, (encoding, own))]
        scores = Scores(
            self._counts[np.ix_(rows, [*columns, NUM_CLASSES])],
            label_set_for(_DRIVABLE, encoding="2018").class_names,
            self._conditions("cityscapes"),
            self._tally.num_images,
            frames=tuple(sorted(self._targets)),
            reading_doubt="; ".join(filter(None, doubts)),
        )
        return DrivableScores(scores, encoding, own)

    def _conditions(self, policy: str) -> Conditions:
        name = self._folder.resolve().name
        return Conditions(name, policy, self._tally.resolution(), inference="files")
