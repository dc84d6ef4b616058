"""The official Cityscapes evaluation: counts over label ids and instances in, its numbers out.

cityscapesScripts' evalPixelLevelSemanticLabeling: IoU of 19 classes and 7 categories, and iIoU, which weighs an
object's pixels by the average size of its class over its own. Same order of additions, hence the same floats.
"""

import math
import operator
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import LabelValueError
from segibn.evaluation.confusion import Counts
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, Label

AVERAGE_INSTANCE_SIZE = {
    "bicycle": 4672.3249222261,
    "caravan": 36771.8241758242,
    "motorcycle": 6298.7200839748,
    "rider": 3930.4788056518,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "car": 12794.0202738185,
    "person": 3462.4756337644,
    "truck": 27855.1264367816,
    "trailer": 16926.9763313609,
}
"""Pixels of an average object; constants of the script."""
# The license plate (-1) is never drawn: it has no row in any matrix.
_DRAWN: tuple[Label, ...] = tuple(row for row in CITYSCAPES.labels if row.label_id >= 0)
NUM_LABEL_IDS = len(_DRAWN)
_BY_ID = {row.label_id: row for row in _DRAWN}
_EVALUATED = tuple(row.label_id for row in _DRAWN if row.train_id != IGNORE_INDEX)
_MEMBERS = {one.category: [row.label_id for row in _DRAWN if row.category == one.category] for one in _DRAWN}
_CATEGORY_OF = np.full(256, -1, np.int8)
for _place, _ids in enumerate(_MEMBERS.values()):
    _CATEGORY_OF[_ids] = _place
# Above this, a value of an instanceIds map is label_id * 1000 + number; up to it, a label id.
_FIRST_INSTANCE = 1001


def count_instances(
    instance_map: NDArray[np.uint16], pred: NDArray[np.uint8], source: str | Path = "instance map"
) -> Counts:
    """Count what a prediction made of the evaluated objects of one frame -> (4, M) int64.

    Rows: label id, pixels, pixels predicted as its class, and as any of its category (caravans and
    trailers too). ``instance_map`` is the official instanceIds, ``pred`` label ids, (H, W).
    """
    values = instance_map.ravel()
    inside = np.flatnonzero(values >= _FIRST_INSTANCE)
    values, predicted = values[inside], pred.ravel()[inside]
    owner = values // 1000
    sizes = np.bincount(values)
    found = np.flatnonzero(sizes)
    _require_known(found, source)
    hits = np.bincount(values[predicted == owner], minlength=len(sizes))
    same_category = _CATEGORY_OF[predicted] == _CATEGORY_OF[owner]
    category_hits = np.bincount(values[same_category], minlength=len(sizes))
    kept = found[np.isin(found // 1000, _EVALUATED)]
    return np.stack([kept // 1000, sizes[kept], hits[kept], category_hits[kept]])


def _require_known(instance_ids: NDArray[np.integer], source: str | Path) -> None:
    for value in instance_ids.tolist():
        row = _BY_ID.get(value // 1000)
        if row is None or (row.label_id in _EVALUATED and row.name not in AVERAGE_INSTANCE_SIZE):
            what = "no label id" if row is None else f"'{row.name}', which has no instances"
            raise LabelValueError(
                f"{source}: instance id {value} belongs to {what}; values above 1000 are "
                "label id * 1000 + number, as in the official *_instanceIds.png"
            )


class InstanceSums:
    """Weighted true positives and false negatives over a set: class or category -> [tp, fn]."""

    def __init__(self) -> None:
        sized = {row.label_id for row in _DRAWN if row.name in AVERAGE_INSTANCE_SIZE}
        self.classes = {_BY_ID[one].name: [0.0, 0.0] for one in _EVALUATED if one in sized}
        self.categories = {name: [0.0, 0.0] for name, ids in _MEMBERS.items() if sized >= {*ids}}

    def add(self, objects: Counts) -> None:
        """Add the (4, M) of a frame object by object: sums of floats depend on their order."""
        for label_id, size, hits, category_hits in objects.T.tolist():
            row = _BY_ID[label_id]
            weight = AVERAGE_INSTANCE_SIZE[row.name] / size
            both = (self.classes[row.name], hits), (self.categories[row.category], category_hits)
            for sums, true_positive in both:
                sums[0] += true_positive * weight
                sums[1] += (size - true_positive) * weight


def official_results(
    counts: Counts, instances: InstanceSums | None, per_image: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """Compute everything that the script writes, under its own keys: fractions, NaN if undefined.

    Averages leave out what is NaN. ``instances=None`` gives NaN instance scores, where the script
    writes 0. ``counts`` are (34, 34) pixels, rows target label id, void ones included.
    """
    total = int(counts.sum())
    classes = {row.name: [row.label_id] for row in _DRAWN}
    class_sums, category_sums = (instances.classes, instances.categories) if instances else ({}, {})
    class_scores, class_inst = _scores(counts, classes, class_sums)
    category_scores, category_inst = _scores(counts, _MEMBERS, category_sums)
    results = {
        "confMatrix": counts.tolist(),
        "priors": {row.name: int(counts[row.label_id].sum()) / total if total else math.nan for row in _DRAWN},
        "labels": {row.name: row.label_id for row in _DRAWN},
        "classScores": class_scores,
        "classInstScores": class_inst,
        "categoryScores": category_scores,
        "categoryInstScores": category_inst,
        "averageScoreClasses": _average(class_scores.values()),
        "averageScoreInstClasses": _average(class_inst.values()),
        "averageScoreCategories": _average(category_scores.values()),
        "averageScoreInstCategories": _average(category_inst.values()),
    }
    return results | ({"perImageScores": per_image} if per_image else {})


def ignored_pixels(counts: Counts) -> dict[str, int]:
    """Return the script's per-image numbers of one frame's (34, 34) counts, under its names.

    They promise something else: the script counts pixels whose target is *ignored*.
    """
    ignored = [row.label_id for row in _DRAWN if row.label_id not in _EVALUATED]
    pixels = int(counts[ignored].sum())
    equal = int(counts[ignored, ignored].sum())
    return {"nbNotIgnoredPixels": pixels, "nbCorrectPixels": pixels - equal}


def _scores(
    counts: Counts, groups: dict[str, list[int]], sums: dict[str, list[float]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return IoU and iIoU of each group of label ids, NaN where none of them is evaluated."""
    scores, weighted = {}, {}
    for name, ids in groups.items():
        members = [label_id for label_id in ids if label_id in _EVALUATED]
        others = [label_id for label_id in _EVALUATED if label_id not in ids]
        hits = int(counts[np.ix_(members, members)].sum())
        missed = int(counts[members].sum()) - hits
        scores[name] = _ratio(hits, int(counts[np.ix_(others, members)].sum()), missed)
        weighted[name] = math.nan
        if name in sums:
            # False positives belong to no object and weigh 1. Only here does the script count
            # caravans and trailers as predictions of a vehicle.
            true_positive, false_negative = sums[name]
            wrong = int(counts[np.ix_(others, ids)].sum())
            weighted[name] = _ratio(true_positive, wrong, false_negative)
    return scores, weighted


def _ratio(true_positive: float, false_positive: float, false_negative: float) -> float:
    union = true_positive + false_positive + false_negative
    return true_positive / union if union else math.nan


def _average(scores: Iterable[float]) -> float:
    """Mean of the defined scores, added in order (NumPy's pairwise sum has another last digit)."""
    defined = [score for score in scores if not math.isnan(score)]
    total = reduce(operator.add, defined, 0.0)  # sum() rounds otherwise from Python 3.12 on
    return total / len(defined) if defined else math.nan
