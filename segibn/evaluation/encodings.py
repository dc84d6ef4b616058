"""What the values of label maps are, train ids or label ids, told for each side of a score.

Train ids are legal label ids, too: a wrong reading raises no error, it can only be doubted.
"""

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segibn.errors import ImageFileError, PaletteError
from segibn.evaluation.confusion import Counts, Lookup, fold_pairs
from segibn.files.folders import warn_once
from segibn.files.pictures import read_label_map
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet
from segibn.text import printable

ENCODINGS = ("train_ids", "label_ids")  # what the values in the files are: class indices, or the data set's own values
_TOLD_BY_NAME = re.compile(r"_(?:label(?:(Ids|csIds)|(TrainIds|csTrainIds)|(ids|level\dIds))|(?:train_id|trainIds))$")
_MAX_FILES = 32  # whose values are looked at, evenly chosen; all others are checked as they come
_MAX_SCORE_BYTES = 1 << 32
_MUCH_BETTER = 0.2  # of the pixels


def told_by_name(path: PurePath) -> str | None:
    """Return the encoding that a file's suffix says, also IDD's own; None where it says none."""
    if path.suffix == ".npz":  # scores of classes, in their order
        return "train_ids"
    said = _TOLD_BY_NAME.search(path.stem)
    if said is None:
        return None
    if said[3]:
        return f"IDD's {said[3]}"
    return "label_ids" if said[1] else "train_ids"


def read_as(table: LabelSet, encoding: str) -> LabelSet:
    """Return the table of files in an encoding: itself, or that of the train ids 0..K-1 and 255."""
    if encoding == "label_ids":
        return table
    rows = (Label(info.name, index, index, info.color) for index, info in enumerate(table.classes))
    ignored = Label("ignored", IGNORE_INDEX, IGNORE_INDEX, (0, 0, 0))
    return LabelSet(f"{table.name} train ids", (*rows, ignored))


@dataclass(frozen=True)
class Reading:
    """How the values of targets and predictions are read."""

    tables: tuple[LabelSet, LabelSet]
    encodings: tuple[str, str]  # of the tables, keys of ``known``
    known: Mapping[str, Lookup]  # every way in which such files are met, encoding -> lookup
    has_options: bool = True  # whether the command line says encodings (``--target-encoding``)

    @classmethod
    def of(cls, table: LabelSet, encodings: tuple[str, str], has_options: bool = True) -> "Reading":
        """Files of a data set whose targets and predictions are in some of ``ENCODINGS``."""
        known = {name: read_as(table, name).lookup for name in ENCODINGS}
        if table is not CITYSCAPES and table.class_names == CITYSCAPES.class_names:
            known["Cityscapes label ids"] = CITYSCAPES.lookup
        tables = read_as(table, encodings[0]), read_as(table, encodings[1])
        return cls(tables, encodings, known, has_options)

    def fold(self, raw: Counts) -> Counts:
        """(256, 256) counts of raw values -> (K, K+1) of classes; unknown values are void."""
        return fold_pairs(raw, self.tables[0].num_classes, *self._lookups)

    def train_ids(self, maps: Iterable[NDArray[np.uint8]]) -> list[NDArray[Any]]:
        """Turn raw values of targets and predictions into train ids; unknown ones are void."""
        return [lookup[values] for lookup, values in zip(self._lookups, maps, strict=True)]

    def doubt(self, raw: Counts) -> str:
        """Say which other reading of the (256, 256) counts matches much better; "" if none does."""
        known = self.known
        shares = {(a, b): _matching(raw, known[a], known[b]) for a in known for b in known}
        own, chosen = self.encodings, shares[self.encodings]
        best = max(shares, key=lambda pair: (shares[pair], pair[0] == own[0], pair[1] == own[1]))
        if shares[best] < chosen + _MUCH_BETTER or shares[best] < 2 * chosen:
            return ""
        changes, options = [], []
        for (role, side), old, new in zip((("target", "targets"), ("pred", "predictions")), own, best, strict=True):
            if new != old:
                changes.append(f"the {side} as {new}, not {old}")
                if self.has_options and " " not in new:
                    options.append(f"--{role}-encoding {new}")
        text = (
            f"{100 * chosen:.2f} % of the pixels match; {100 * shares[best]:.2f} % would, reading "
            f"{' and '.join(changes)}: are the encodings right?"
        )
        return f"{text} Say it with {' '.join(options)}" if options else text

    def hint(self, role: str) -> str:
        """What to try, in brackets, where a side ("target", "pred") holds unknown values."""
        if not self.has_options or not set(self.encodings) <= set(ENCODINGS):
            return ""
        kinds = "train ids or the data set's own label ids"
        return f" (--{role}-encoding says whether they are {kinds})"

    @cached_property
    def _lookups(self) -> list[Lookup]:
        return [np.where(table.lookup < 0, IGNORE_INDEX, table.lookup) for table in self.tables]


def read_prediction(path: Path, table: LabelSet) -> NDArray[np.uint8]:
    """Read a predicted label map; a palette of other classes is a warning, a picture an error."""
    try:
        return read_label_map(path, colors=table.colors)
    except PaletteError as error:
        reason = str(error).removeprefix(f"{printable(path)}: ")
        warn_once(
            f"predictions in {printable(path.parent)}: {reason}. Are they of a network with "
            "classes of its own? Then score them with --labels CONFIG.yaml"
        )
        return read_label_map(path)
    except ImageFileError as error:
        raise ImageFileError(f"{error}. segibn predict writes label maps to `labels`") from None


def read_scores(path: Path, size: tuple[int, int], num_classes: int) -> NDArray[np.uint8]:
    """Read scores of each class, ``scores`` (K, h, w) floats of an .npz -> train ids (H, W).

    They are resized bilinearly, as logits are; of equal ones the first class wins.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if file.zip.getinfo("scores.npy").file_size > _MAX_SCORE_BYTES:
                raise ValueError("it is too large")
            scores = file["scores"]
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ImageFileError(
            f"{path}: no array `scores` can be read ({error}); write np.savez(PATH, scores=...)"
        ) from None
    if scores.ndim != 3 or len(scores) != num_classes or scores.dtype.kind != "f" or not np.isfinite(scores).all():
        raise ImageFileError(
            f"{path}: scores are {scores.dtype} {scores.shape}, not finite floats ({num_classes}, h, w)"
        )
    best, labels = np.full(size, -np.inf, np.float32), np.zeros(size, np.uint8)
    for index, plane in enumerate(scores.astype(np.float32)):
        resized = cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        labels[resized > best] = index
        np.maximum(best, resized, out=best)
    return labels


def told_by_values(paths: Sequence[Path], table: LabelSet, *, is_prediction: bool) -> str | None:
    """Return the one encoding that some files can be read in; None where both or none will do.

    A network predicts classes: predictions of values that are void as label ids are train ids.
    """
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(_MAX_FILES, len(paths))).astype(int))
    files = [paths[place] for place in chosen]
    unseen = (IGNORE_INDEX,) if is_prediction else ()  # which a network does not predict
    for has_colors in (True, False):  # a palette may be of the network's own classes
        readings = {name: read_as(table, name) for name in ENCODINGS}
        values = {name: _values(files, of, has_colors, unseen) for name, of in readings.items()}
        fitting = [name for name, there in values.items() if there is not None]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            is_void = (table.lookup[values["label_ids"]] == IGNORE_INDEX).any()
            return "train_ids" if is_prediction and is_void else None
    return None


def _values(
    paths: Sequence[Path], table: LabelSet, has_colors: bool, unseen: tuple[int, ...]
) -> NDArray[np.integer] | None:
    """The values of files, without those in ``unseen``; None if they are not all of a table."""
    there = np.zeros(256, bool)
    for path in paths:
        try:
            values = table.read(path) if has_colors else read_label_map(path, table.storage)
        except ImageFileError:  # if it is damaged, the scorer says so
            return None
        there[np.unique(values)] = True
    there[list(unseen)] = False
    return np.flatnonzero(there) if (table.lookup[there] >= 0).all() else None


def _matching(raw: Counts, target: Lookup, pred: Lookup) -> float:
    """Share of the pixels of a class that are predicted as it."""
    is_class = (target >= 0) & (target != IGNORE_INDEX)
    total = int(raw[is_class].sum())
    same = is_class[:, None] & (target[:, None] == pred[None, :])
    return int(raw[same].sum()) / total if total else 0.0
