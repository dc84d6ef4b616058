"""Evaluation of drivable area: one 3-class confusion in, four mIoUs out.

Painting everything as direct on BDD100K's validation maps gives A 4.0, B 6.0, C 35.7 and D 8.5 %:
never print one without its letter. Class order: 0 background, 1 direct, 2 alternative (2018).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from segibn.evaluation.metrics import compute_iou, compute_miou, mean_defined
from segibn.evaluation.scores import Scores, format_percent, json_number

BACKGROUND, DIRECT = 0, 1
DEFINITIONS: dict[str, str] = {
    "A": "mean IoU of background, direct and alternative, every pixel counts "
    "(BDD's 2018 script, the WAD challenge's code)",
    "B": "mean IoU of direct and alternative, every pixel counts "
    "(AI Challenger 2018, the BDD100K documentation)",
    "C": "mean IoU of direct and alternative, background pixels left out: drivable painted onto "
    "background costs nothing (BDD100K toolkit since July 2021)",
    "D": "mean IoU of background and drivable (direct and alternative merged), every pixel counts, "
    "pooled over the set at native size",
}
"""Letter -> what is averaged over what, and who uses it."""
D_YOLOP_NOTE = (
    "D-yolop is not computed: the YOLOP family's own D averages batches of 24 at 640x384 with "
    "resized labels; it needs a pass of its own and differs from D"
)


def drivable_miou(confusion: ArrayLike) -> dict[str, float]:
    """Compute the four from (3, 3) or (3, 4) counts of a set, rows target: letter -> fraction.

    A fourth column is void predictions. A, B and C average over the ids that the targets hold.
    """
    given = np.asarray(confusion)
    if given.shape not in ((3, 3), (3, 4)):
        raise ValueError(f"drivable area has 3 classes; got a confusion of {given.shape}")
    counts = np.pad(given, ((0, 0), (0, 4 - given.shape[1])))
    without_background = counts.copy()
    without_background[BACKGROUND] = 0
    merged = np.add.reduceat(counts, (BACKGROUND, DIRECT), axis=0)
    merged = np.add.reduceat(merged, (BACKGROUND, DIRECT, 3), axis=1)
    of_targets = np.where(counts.sum(axis=1) > 0, compute_iou(counts), np.nan)
    return {
        "A": mean_defined(of_targets),
        "B": mean_defined(of_targets[DIRECT:]),
        "C": compute_miou(without_background, "bdd100k"),
        "D": compute_miou(merged),
    }


@dataclass(frozen=True, eq=False)
class DrivableScores:
    """Scores of drivable area under the four definitions."""

    scores: Scores
    """In the 2018 class order; its own ``miou`` is not shown, since it has no letter."""
    target_encoding: str
    pred_encoding: str

    @property
    def doubt(self) -> str:
        """Why an encoding or the score looks wrong; empty when nothing does."""
        return self.scores.doubt

    @property
    def miou(self) -> dict[str, float]:
        """Letter -> fraction."""
        return drivable_miou(self.scores.confusion)

    @property
    def signature(self) -> str:
        """One line of conditions."""
        return f"drivable-{self.scores.signature}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values at full precision; undefined numbers become None."""
        head = {
            "signature": self.signature,
            "drivable_miou": {letter: json_number(value) for letter, value in self.miou.items()},
            "definitions": dict(DEFINITIONS),
            "target_encoding": self.target_encoding,
            "pred_encoding": self.pred_encoding,
        }
        plain = self.scores.to_dict()
        del plain["miou"]
        return head | plain | head

    def format_table(self) -> str:
        """Return one line per definition and one of classes; per cent."""
        lines = []
        for letter, value in self.miou.items():
            lines.append(f"{letter} {format_percent(value):>6}  {DEFINITIONS[letter]}")
        per_class = zip(self.scores.class_names, self.scores.iou, strict=True)
        iou = ", ".join(f"{name} {format_percent(value)}" for name, value in per_class)
        encodings = f"encodings: target {self.target_encoding}, pred {self.pred_encoding}"
        return "\n".join([*lines, D_YOLOP_NOTE, f"IoU %: {iou}", encodings, self.signature])
