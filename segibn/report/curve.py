"""Curves of a training: ``metrics.jsonl`` in, arrays out, smoothed for a drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segibn.errors import SegibnError
from segibn.text.plain_data import parse_json

METRICS_FILE = "metrics.jsonl"
_ENDLESS = 1 << 53  # iterations that a chart's floats still tell apart

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """What n records of a run say, m of them of a score; NaN where one lacks a number."""

    title: str
    iterations: NDArray[np.int64]  # (n,) updates done, ascending
    loss: Floats  # (n,)
    lr: Floats  # (n,) learning rate
    images_per_s: Floats  # (n,)
    scored: NDArray[np.int64]  # (m,) iterations at which held-out source frames were scored
    miou: Floats  # (m,) their mIoU, fractions

    @property
    def last_iteration(self) -> int:
        """0 without any record."""
        return int(max(self.iterations.max(initial=0), self.scored.max(initial=0)))

    @property
    def best(self) -> tuple[int, float] | None:
        """Iteration with the highest mIoU, and that; None without a score."""
        if not np.isfinite(self.miou).any():
            return None
        place = int(np.nanargmax(self.miou))
        return int(self.scored[place]), float(self.miou[place])


def read_curve(folder: Path, title: str) -> Curve:
    """Read the curve of a run; SegibnError: no file, or none that a training wrote."""
    file = folder / METRICS_FILE
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SegibnError(f"{file}: cannot be read ({error.strerror})") from error
    records: dict[int, dict[str, Any]] = {}
    for record in filter(None, map(_record_of, lines)):
        iteration = record["iteration"]
        if records and iteration < next(reversed(records)):  # resumed: what it repeats goes
            records = {known: one for known, one in records.items() if known < iteration}
        records[iteration] = records.get(iteration, {}) | record
    if not records and any(line.strip() for line in lines[:-1]):
        raise SegibnError(f"{file}: no line is a record of a training; give the {METRICS_FILE} of a run folder")
    trained = [record for record in records.values() if "loss" in record]
    scored = [one for one in records.values() if 0 <= _number_or_nan(one.get("val_miou")) <= 1]
    return Curve(
        title,
        _column(trained, "iteration").astype(np.int64),
        *(_column(trained, key) for key in ("loss", "lr", "images_per_s")),
        _column(scored, "iteration").astype(np.int64),
        _column(scored, "val_miou"),
    )


def smoothing_width(n: int) -> int:
    """How many records on either side a smoothed value averages; 0 = too few to smooth."""
    return 0 if n < 8 else max(1, round(n / 40))


def smooth(values: ArrayLike, width: int) -> Floats:
    """Average the finite ones of (n,) values over ``width`` on either side, fewer at both ends."""
    array = np.asarray(values, dtype=np.float64)
    n = array.size
    finite = np.isfinite(array)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, array, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    index = np.arange(n)
    reach = np.minimum(width, np.minimum(index, n - 1 - index))
    low, high = index - reach, index + reach + 1
    number = counts[high] - counts[low]
    result = np.full(n, np.nan)
    np.divide(sums[high] - sums[low], number, out=result, where=number > 0)
    return result


def _record_of(line: str) -> dict[str, Any] | None:
    """None for a line that a kill cut short."""
    try:
        record = parse_json(line, "a record")
    except SegibnError:
        return None
    iteration = record.get("iteration") if isinstance(record, dict) else None
    return record if isinstance(iteration, int) and 0 <= iteration < _ENDLESS else None


def _column(records: Sequence[Mapping[str, Any]], key: str) -> Floats:
    return np.array([_number_or_nan(record.get(key)) for record in records], dtype=np.float64)


def _number_or_nan(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
