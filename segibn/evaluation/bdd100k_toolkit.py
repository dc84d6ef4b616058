"""The BDD100K toolkit's segmentation metric (``bdd100k.eval.run``): masks or RLE in, numbers out.

A missing prediction, and predicted values that are no class, are void and cost the target its
pixels. Drivable background is an ignored target: painting it costs nothing (definition C).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.data.datasets.bdd100k_semseg import SEMSEG
from segibn.errors import DatasetError, ImageFileError
from segibn.evaluation.encodings import Reading
from segibn.evaluation.file_scores import Maps, ReadPair, conditions_of, read_pair, score_pairs
from segibn.evaluation.frame_pairs import Side, pair_names
from segibn.evaluation.matching import FilePair, find_label_maps, match_label_maps
from segibn.evaluation.metrics import mean_defined
from segibn.evaluation.scalabel import read_rle_frames
from segibn.evaluation.scores import Scores, json_number
from segibn.files.folders import list_files
from segibn.labels.drivable_encoding import decide_drivable_encoding
from segibn.labels.label_set import IGNORE_INDEX, Label, LabelSet

_DRIVABLE = LabelSet(
    "bdd100k_drivable of the toolkit",
    (
        Label("direct", 0, 0, (219, 94, 86)),
        Label("alternative", 1, 1, (86, 211, 219)),
        Label("background", 2, IGNORE_INDEX, (0, 0, 0)),
        Label("unlabeled", 255, IGNORE_INDEX, (0, 0, 0)),
    ),
)
TASKS: dict[str, LabelSet] = {"sem_seg": SEMSEG, "drivable": _DRIVABLE}
"""The toolkit's ``-t`` -> the table of its masks."""


@dataclass(frozen=True, eq=False)
class ToolkitScores:
    """What the toolkit would report, with the conditions it was measured under."""

    scores: Scores
    task: str

    @property
    def signature(self) -> str:
        """One line of conditions."""
        return f"bdd100k-{self.task}-{self.scores.signature}"

    def results(self) -> dict[str, Any]:
        """The toolkit's report under its own keys, in per cent; its "Acc" is precision."""
        iou, pixels = self.scores.iou, self.scores.confusion.sum(axis=1)
        precision = np.nan_to_num(self.scores.rates["class_precision"])
        total = int(pixels.sum())
        weighted = float((iou * (pixels / total)).sum()) if total else np.nan
        return {
            "IoU": self._per_class(iou),
            "Acc": self._per_class(precision),
            "fIoU": _percent(weighted),
            "pAcc": _percent(self.scores.pixel_accuracy),
        }

    def summary(self) -> dict[str, float | None]:
        """The four numbers: mIoU, mAcc, fIoU, pAcc, in per cent."""
        found = self.results()
        means = {f"m{key}": found[key][-1]["AVERAGE"] for key in ("IoU", "Acc")}
        return means | {key: found[key] for key in ("fIoU", "pAcc")}

    def to_dict(self) -> dict[str, Any]:
        """Return the scores (fractions) and, as "toolkit", its own report (per cent)."""
        head = {"signature": self.signature, "toolkit": self.results()}
        return head | self.scores.to_dict() | head

    def format_table(self) -> str:
        """Return IoU and precision of each class, and the four numbers; per cent."""
        found = self.results()
        lines = [f"{'class':<14} {'IoU %':>7} {'Acc %':>7}"]
        for name, iou in found["IoU"][0].items():
            lines.append(f"{name:<14} {iou:7.2f} {found['Acc'][0][name]:7.2f}")
        lines.append("-" * 30)
        for name, value in self.summary().items():
            lines.append(f"{name:<14} {'-' if value is None else format(value, '.2f'):>7}")
        lines.append("Acc is precision; means over the classes that the targets hold")
        return "\n".join([*lines, self.signature])

    def _per_class(self, values: NDArray[np.float64]) -> list[dict[str, float | None]]:
        each = dict(zip(self.scores.class_names, map(_percent, values), strict=True))
        return [each, {"AVERAGE": _percent(mean_defined(values[self.scores.averaged]))}]


def score_toolkit(
    target: Path,
    pred: Path,
    task: str = "sem_seg",
    *,
    evaluation_set: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> ToolkitScores:
    """Score predictions as the toolkit does.

    Args:
        target: folder of masks (train ids; drivable in the 2021 encoding), or RLE: a JSON file or a
            folder of JSON files.
        pred: of the same kind; matched by the name of the frame without its ending.
        task: key in ``TASKS``.
    """
    target, pred, table = Path(target), Path(pred), TASKS[task]
    kinds = [_is_rle(path) for path in (target, pred)]
    if kinds[0] != kinds[1]:
        forms = ["RLE (*.json)" if kind else "masks (*.png)" for kind in kinds]
        raise DatasetError(f"{target} holds {forms[0]} but {pred} holds {forms[1]}; give both in one format")
    doubts = []
    if kinds[0]:
        pairs, read = _rle_pairs(target, pred, table.class_names)
    else:
        sides = [find_label_maps(folder, "train_ids") for folder in (target, pred)]
        pairs, read = match_label_maps(*sides, missing_allowed=True), read_pair
        if table is _DRIVABLE:  # the toolkit scores maps of the 2018 encoding without a word
            paths = [pair.target for pair in pairs]
            doubts.append(decide_drivable_encoding(paths, "2021", also_allowed=(255,)).doubt)
    name = evaluation_set or target.resolve().name.removesuffix(".json")
    conditions = conditions_of(target, name, "bdd100k")
    reading = _reading(table)
    scores = score_pairs(pairs, reading, conditions, doubts=doubts, progress=progress, read=read)
    return ToolkitScores(scores, task)


def _rle_pairs(target: Path, pred: Path, names: Sequence[str]) -> tuple[list[FilePair], ReadPair]:
    targets, preds = (read_rle_frames(path, names) for path in (target, pred))
    sides = Side(target, list(targets)), Side(pred, list(preds))
    found = pair_names(*sides, name_of=lambda path: path.name)
    pairs = [FilePair(key.as_posix(), Path(key), Path(found[key]) if key in found else None) for key in sorted(targets)]

    def read(pair: FilePair, _: Sequence[LabelSet]) -> Maps:
        truth = targets[PurePosixPath(pair.target)].to_train_ids(names)
        if truth is None:  # a target without masks has no size
            empty = np.zeros((0, 0), np.uint8)
            return empty, empty
        frame = preds[PurePosixPath(pair.pred)] if pair.pred else None
        values = frame.to_train_ids(names) if frame else None
        if frame and values is not None and values.shape != truth.shape:
            raise ImageFileError(f"{frame.source}: masks of {values.shape}, its target has {truth.shape} (H, W)")
        return truth, np.full_like(truth, IGNORE_INDEX) if values is None else values

    return pairs, read


def _reading(table: LabelSet) -> Reading:
    """The toolkit's own reading, among the ways in which masks of a task are met."""
    if table is not _DRIVABLE:
        reading = Reading.of(table, ("train_ids", "train_ids"), has_options=False)
        return replace(reading, tables=(table, table))
    in_2018 = np.full(256, -1)
    in_2018[[0, 1, 2, IGNORE_INDEX]] = IGNORE_INDEX, 0, 1, IGNORE_INDEX
    known = {"2021": table.lookup, "2018": in_2018}
    return Reading((table, table), ("2021", "2021"), known, has_options=False)


def _is_rle(path: Path) -> bool:
    if path.is_file() and path.suffix == ".json":
        return True
    masks, rle = list_files(path, (".png",), recursive=True), list_files(path, (".json",))
    if bool(masks) == bool(rle):
        raise DatasetError(f"{path}: expected only masks (*.png), or only RLE (*.json)")
    return bool(rle)


def _percent(fraction: float) -> float | None:
    return json_number(100 * float(fraction))
