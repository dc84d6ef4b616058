"""What can be measured beside IoU, and how it is printed (NumPy only)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import SegibnError
from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.errors import ErrorDetection
from segibn.evaluation.measure import Metric
from segibn.evaluation.metrics import mean_defined, miou_of
from segibn.evaluation.resampling import DEFAULT, ByScore, Resampling, bootstrap_intervals
from segibn.evaluation.scores import Scores, format_percent, json_number

METRICS: tuple[type[Metric], ...] = (BoundaryIoU, Calibration, ErrorDetection)
"""All of them. Each is an option of the verbs that score, an entry in the details, and a table."""


def measured(names: Iterable[str], class_names: Sequence[str]) -> list[Metric]:
    """Return the metrics of some names, in the order of the table, ready to be updated."""
    return [metric(class_names) for metric in METRICS if metric.name in names]


def with_intervals(scores: Scores, how: Resampling = DEFAULT) -> Scores:
    """Add bootstrap intervals over frames to the details; those of a single frame are None."""
    if scores.frame_counts is None:
        raise SegibnError("intervals need the counts of every frame; score the set again")
    counts, names = scores.frame_counts.counts, scores.class_names
    found = ByScore(np.full(2, np.nan), np.full((2, len(names)), np.nan))
    if len(counts) > 1:
        found = bootstrap_intervals(counts, scores.conditions.policy, how)
    by_class = dict(zip(names, map(_bounds, found.iou.T), strict=True))
    intervals = asdict(how) | {"miou": _bounds(found.miou), "iou": by_class}
    return replace(scores, details={**scores.details, "intervals": intervals})


def format_rates(scores: Scores) -> str:
    """Return a text table in per cent: precision, recall and F1 of each class, means below."""
    rates = scores.rates
    columns = (rates["class_precision"], scores.class_accuracy, rates["class_f1"], scores.iou)
    lines = [f"{'':<22} {'precision':>9} {'recall':>7} {'F1':>7} {'IoU':>7}"]
    for name, *values in zip(scores.class_names, *columns, strict=True):
        lines.append(_row(name, values))
    means = (rates["mean_precision"], mean_defined(columns[1]), rates["mean_f1"], scores.miou)
    lines.append(_row("mean", means))
    lines.append(f"frequency-weighted IoU  {format_percent(rates['frequency_weighted_iou'])} %")
    if by_frame := scores.frame_counts:
        miou = miou_of(by_frame.counts, scores.conditions.policy)
        order = np.argsort(miou, kind="stable")  # NaN, a frame without valid pixels, comes last
        lowest = [f"{by_frame.names[place]} {format_percent(miou[place])}" for place in order[:5]]
        lines.append(f"mean mIoU of the frames {format_percent(rates['image_miou'])} %")
        lines.append(f"lowest: {', '.join(lowest)}")
    return "\n".join(lines)


def format_details(details: Mapping[str, Any]) -> str:
    """Return a text block for each measurement that is there; empty when there is none."""
    tables = {metric.name: metric.table for metric in METRICS} | {"intervals": _format_intervals}
    return "\n\n".join(tables[key](details[key]) for key in tables if key in details)


def _format_intervals(found: Mapping[str, Any]) -> str:
    lines = [
        f"{100 * found['level']:g} % intervals over frames (bootstrap, {found['resamples']} "
        f"resamples, seed {found['seed']}); another training is not in them"
    ]
    for name, bounds in {**found["iou"], "mIoU": found["miou"]}.items():
        text = "-" if bounds is None else "{:.2f} .. {:.2f}".format(*(100 * b for b in bounds))
        lines.append(f"{name:<22} {text:>16}")
    return "\n".join(lines)


def _row(name: str, values: Sequence[float]) -> str:
    texts = [format_percent(value) for value in values]
    return f"{name:<22} {texts[0]:>9} " + " ".join(f"{text:>7}" for text in texts[1:])


def _bounds(bounds: NDArray[np.float64]) -> list[float] | None:
    low, high = (json_number(float(value)) for value in bounds)
    return None if low is None or high is None else [low, high]
