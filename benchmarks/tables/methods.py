"""Which methods help: a table over all shifts, from the results of `benchmarks/generalisation.py`.

In: the folder of ``<shift>.json``. Out: a row a method, a column a shift with the difference on the
target and a verdict, `judge`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.tables.generalisation import (
    TIMES_FILE,
    listed_seeds,
    points_with_interval,
    read_shift,
    read_times,
    target_label,
    training_time,
)
from segibn.errors import SegibnError
from segibn.text import markdown_table

NAME = "methods"
"""Last part of the marker's name; there is no file of that name."""
COMBINED = "combined"
"""The row of the shipped ``*_generalise`` configs."""

Content = Mapping[str, Any]
_RULE = (
    "Points of mIoU gained on the target, with 95 % intervals over its frames; IBN and the "
    "combination are compared with the plain network, every other method with the row that it was "
    "added to. **helps**: the interval lies above 0 and every seed gained; *costs*: it lies below "
    "0 and every seed lost. (tried): only read on frames that settings are chosen on."
)


class _Shift(NamedTuple):
    """What one file says: its rows, those that were only read for choosing, and the times."""

    content: Content
    target: str
    rows: dict[str, Content]
    tried: set[str]
    times: Mapping[str, Content]

    @property
    def title(self) -> str:
        """Heading of the column."""
        text = str(self.content["title"])
        return text[:1].upper() + text[1:]


def judge(difference: Content) -> str:
    """Return "helps", "hurts" or "unclear" for an "interval" and the "miou" of each seed."""
    low, high = difference["interval"]
    if low > 0 and min(difference["miou"]) > 0:
        return "helps"
    return "hurts" if high < 0 and max(difference["miou"]) < 0 else "unclear"


def render_methods(folder: Path) -> str:
    """Render the table over all shifts of a folder that have a target.

    Raises:
        SegibnError: there are none.
    """
    files = (path for path in sorted(folder.glob("*.json")) if path.name != TIMES_FILE)
    shifts = [shift for path in files if (shift := _read(path)) is not None]
    if not shifts:
        raise SegibnError(f"{folder}: no results of a shift with a target to compare methods on")
    names: dict[str, str] = {}
    for shift in shifts:
        names |= {row: found["title"] for row, found in shift.rows.items() if row != COMBINED}
    if any(COMBINED in shift.rows for shift in shifts):
        names[COMBINED] = "the combination"
    header = ["method", *(shift.title for shift in shifts), "costs on the source", "training step"]
    body = [
        [
            title,
            *(_cell(shift, row) for shift in shifts),
            ", ".join(s.content["source"] for s in shifts if _hurts_source(s, row)) or "-",
            next((training_time(s.times[row]) for s in shifts if row in s.times), "-"),
        ]
        for row, title in names.items()
        if row != "plain"
    ]
    notes = [f"{shift.title}: {listed_seeds(list(shift.rows.values()))}." for shift in shifts]
    return "\n".join([*markdown_table(header, body), "", " ".join([_RULE, *notes])]) + "\n"


def _read(path: Path) -> _Shift | None:
    """Read a shift; None where no target was read."""
    content = read_shift(path)
    parts = content["parts"]
    part = parts.get("report") or parts["selection"]
    target = target_label(part)
    if target is None:
        return None
    rows = {row["row"]: row for row in part["rows"]}
    selection = parts.get("selection")
    tried: dict[str, Content] = {}
    if selection is not None and target_label(selection) is not None:
        tried = {row["row"]: row for row in selection["rows"] if row["row"] not in rows}
    return _Shift(content, target, rows | tried, set(tried), read_times(path))


def _difference(shift: _Shift, row: str, label: str) -> Content | None:
    scores = shift.rows[row]["scores"].get(label, {})
    key = "over_base" if "over_base" in scores and row != COMBINED else "over_plain"
    found: Content | None = scores.get(key)
    return found


def _cell(shift: _Shift, row: str) -> str:
    difference = _difference(shift, row, shift.target) if row in shift.rows else None
    if difference is None:
        return "-"
    verdict = {"helps": " **helps**", "hurts": " *costs*", "unclear": ""}[judge(difference)]
    mark = " (tried)" if row in shift.tried else ""
    return f"{points_with_interval(difference)}{verdict}{mark}"


def _hurts_source(shift: _Shift, row: str) -> bool:
    difference = _difference(shift, row, shift.content["source"]) if row in shift.rows else None
    return difference is not None and judge(difference) == "hurts"
