"""A user's own label table: rows of a config become a LabelSet; colours that nobody chose."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segibn.errors import ConfigError
from segibn.labels.label_set import IGNORE_INDEX, ClassInfo, Color, Label, LabelSet
from segibn.text import printable

_BLACK = (0, 0, 0)
_LEVELS = (0, 36, 73, 109, 146, 182, 219, 255)


def label_set_from_table(name: str, rows: Sequence[Mapping[str, Any]]) -> LabelSet:
    """Build a LabelSet from a user's own table; ConfigError: it contradicts itself.

    Its rows have ``name``, ``label_id``, ``train_id`` (255 = ignored) and, if wanted, ``class`` (by default the name of
    a train id's first row), ``color`` (RGB, by default from `spread_colors`; ignored rows are black) and ``category``.
    """
    names = _class_names(name, rows)
    colors = _class_colors(rows)
    labels = tuple(
        Label(
            row["name"],
            row["label_id"],
            row["train_id"],
            tuple(row.get("color") or colors.get(row["train_id"], _BLACK)),
            row.get("category", ""),
            has_color=bool(row.get("color")),
        )
        for row in rows
    )
    classes = tuple(ClassInfo(names[key], colors[key]) for key in sorted(names))
    return LabelSet(name, labels, classes)


def spread_colors(count: int, taken: Sequence[Color]) -> list[Color]:
    """Return colours as unlike each other, those taken and black as can be; always the same."""
    axis = np.array(_LEVELS)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    nearest = np.full(len(grid), np.inf)
    found: list[Color] = []
    for color in (_BLACK, *taken):
        nearest = np.minimum(nearest, _distance(grid, color))
    for _ in range(count):
        red, green, blue = (int(value) for value in grid[int(nearest.argmax())])
        found.append((red, green, blue))
        nearest = np.minimum(nearest, _distance(grid, found[-1]))
    return found


def _distance(grid: np.ndarray, color: Color) -> np.ndarray:
    """Squared distance of RGB colours, weighted as the eye does: green counts most."""
    away: np.ndarray = (grid - np.array(color)) ** 2
    return away @ np.array([3, 4, 2])  # type: ignore[no-any-return]


def _class_names(table: str, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Name each train id: by the ``class`` of its rows, else after its first row."""
    names: dict[int, str] = {}
    for row in rows:
        key, given = row["train_id"], row.get("class")
        if not given:
            continue
        problem = ""
        if key == IGNORE_INDEX:
            problem = f"has a class ('{given}') and is ignored (train_id 255); leave one out"
        elif names.setdefault(key, given) != given:
            other = f"train_id {key} is '{names[key]}'; a train_id is one class"
            problem = f"is of class '{given}', but {other}"
        if problem:
            raise ConfigError(printable(f"label table '{table}': '{row['name']}' {problem}"))
    for row in rows:
        if row["train_id"] != IGNORE_INDEX:
            names.setdefault(row["train_id"], row["name"])
    return names


def _class_colors(rows: Sequence[Mapping[str, Any]]) -> dict[int, Color]:
    """Colour each train id: as its first row that has one, else unlike all others."""
    colors: dict[int, Color] = {}
    for row in rows:
        if row.get("color") and row["train_id"] != IGNORE_INDEX:
            colors.setdefault(row["train_id"], tuple(row["color"]))
    given = [tuple(row["color"]) for row in rows if row.get("color")]
    without = sorted({row["train_id"] for row in rows} - {IGNORE_INDEX} - set(colors))
    return colors | dict(zip(without, spread_colors(len(without), given), strict=True))
