"""The BDD100K toolkit's segmentation metric (``bdd100k.eval.run``): masks in, numbers out.

A missing prediction, and predicted values that are no class, are void and cost the target its
pixels. Drivable background is an ignored target: painting it costs nothing (definition C).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.data.datasets.bdd100k_semseg import SEMSEG
from segibn.evaluation.encodings import Reading
from segibn.evaluation.file_scores import Progress, conditions_of, score_pairs
from segibn.evaluation.matching import find_label_maps, match_label_maps
from segibn.evaluation.metrics import mean_defined
from segibn.evaluation.scores import Scores, json_number
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
    target: Path, pred: Path, task: str = "sem_seg", *, evaluation_set: str = "", progress: Progress | None = None
) -> ToolkitScores:
    """Score predictions as the toolkit does; ``task`` is a key in ``TASKS``.

    Folders of masks (train ids; drivable in the 2021 encoding), matched by the name of the frame.
    """
    table, doubts = TASKS[task], []
    sides = [find_label_maps(folder, "train_ids") for folder in (target, pred)]
    pairs = match_label_maps(*sides, missing_allowed=True)
    if table is _DRIVABLE:  # the toolkit scores maps of the 2018 encoding without a word
        paths = [pair.target for pair in pairs]
        doubts.append(decide_drivable_encoding(paths, "2021", also_allowed=(255,)).doubt)
        in_2018 = np.full(256, -1)
        in_2018[[0, 1, 2, IGNORE_INDEX]] = IGNORE_INDEX, 0, 1, IGNORE_INDEX
        known = {"2021": table.lookup, "2018": in_2018}
        reading = Reading((table, table), ("2021", "2021"), known, has_options=False)
    else:
        reading = Reading.of(table, ("train_ids", "train_ids"), has_options=False)
    conditions = conditions_of(target, evaluation_set, "bdd100k")
    return ToolkitScores(score_pairs(pairs, reading, conditions, doubts=doubts, progress=progress), task)


def _percent(fraction: float) -> float | None:
    return json_number(100 * float(fraction))
