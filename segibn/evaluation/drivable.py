"""Evaluation of drivable area: one 3-class confusion in, four mIoUs out; and those of batches.

Painting everything as direct on BDD100K's validation maps gives A 4.0, B 6.0, C 35.7 and D 8.5 %:
never print one without its letter. Class order: 0 background, 1 direct, 2 alternative (2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.evaluation.metrics import compute_iou, compute_miou, mean_defined
from segibn.evaluation.scores import Scores, format_percent, json_number

BACKGROUND, DIRECT = 0, 1
DEFINITIONS: dict[str, str] = {
    "A": "mean IoU of background, direct and alternative, every pixel counts "
    "(BDD's 2018 script, the WAD challenge's code)",
    "B": "mean IoU of direct and alternative, every pixel counts (AI Challenger 2018, the BDD100K documentation)",
    "C": "mean IoU of direct and alternative, background pixels left out: drivable painted onto "
    "background costs nothing (BDD100K toolkit since July 2021)",
    "D": "mean IoU of background and drivable (direct and alternative merged), every pixel counts, "
    "pooled over the set at native size",
}
"""Letter -> what is averaged over what, and who uses it."""
BATCHES = {"D-yolop": ("YOLOP", 24), "D-twinlite": ("TwinLiteNet", 16)}
"""Name -> whose code averages D over batches of how many frames: YOLOP's lib/core/function.py and
lib/dataset/AutoDriveDataset.py (bff896e), TwinLiteNet's DataSet.py (a91a48f) and TwinLiteNetV1/utils.py (c31c204)."""
_LONGER_SIDE = 640


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


def small_counts(target: NDArray[np.uint8], pred: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count two classes of one frame at the size of the YOLOP family's networks -> (2, 2).

    ``target``, ``pred``: (H, W) in the 2018 order. The longer side becomes 640. A pixel of the
    target is drivable if anything in it is, as there; the prediction is resized by nearest pixel,
    where theirs has that size from the beginning.
    """
    road, found = (np.isin(m, (DIRECT, DIRECT + 1)).astype(np.uint8) * 255 for m in (target, pred))
    scale = _LONGER_SIDE / max(target.shape)
    size = (int(target.shape[1] * scale), int(target.shape[0] * scale))
    if scale != 1:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        road = cv2.resize(road, size, interpolation=method).astype(np.uint8)
        found = cv2.resize(found, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
    pairs = 2 * (road > 1).astype(np.int64) + (found > 1)
    return np.bincount(pairs.ravel(), minlength=4).reshape(2, 2)


def batched_miou(frames: Sequence[NDArray[np.int64]]) -> dict[str, float]:
    """Average D over batches of frames, (2, 2) each: a key of `BATCHES` -> fraction.

    A batch weighs as many frames as it has; a class that is in neither map counts 0. Frames stand
    in the order given; the authors' is that of their file system.
    """
    found = {}
    for name, (_, count) in BATCHES.items():
        batches = [frames[first : first + count] for first in range(0, len(frames), count)]
        scores = [np.nan_to_num(compute_iou(np.sum(batch, axis=0))).mean() for batch in batches]
        found[name] = float(np.average(scores, weights=[len(batch) for batch in batches]))
    return found


@dataclass(frozen=True, eq=False)
class DrivableScores:
    """Scores of drivable area under the four definitions, and the batched ones where known."""

    scores: Scores  # in the 2018 class order; its own ``miou`` is not shown, since it has no letter
    target_encoding: str
    pred_encoding: str
    batched: Mapping[str, float] = field(default_factory=dict)

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
            "drivable_batched_miou": dict(self.batched),
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
        for name, value in self.batched.items():
            whose, count = BATCHES[name]
            about = f"D as {whose}'s code: {_LONGER_SIDE} pixels wide, mean of batches of {count}"
            lines.append(f"{name} {format_percent(value)}  {about}")
        per_class = zip(self.scores.class_names, self.scores.iou, strict=True)
        iou = ", ".join(f"{name} {format_percent(value)}" for name, value in per_class)
        encodings = f"encodings: target {self.target_encoding}, pred {self.pred_encoding}"
        return "\n".join([*lines, f"IoU %: {iou}", encodings, self.signature])
