"""The colours of a label table's rows, held against those of label files: to the bit.

The nearest one will not do: a blended colour between two classes would become a third.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

Color = tuple[int, int, int]
_NO_ROW = 255
_SHOWN = 4
_BLACK = (0, 0, 0)  # what palettes hold where nobody chose a colour


@dataclass(frozen=True)
class LabelColors:
    """What a label table says about colours, row by row."""

    table: str
    names: tuple[str, ...]
    values: tuple[int, ...]
    colors: tuple[Color, ...]
    classes: tuple[int, ...]

    def contradiction(self, palette: np.ndarray, used: Sequence[int]) -> str:
        """Say where a palette (n, 3) shows that ``used`` indices are no values of the table, or "".

        An index speaks against the table if its colour is that of rows of other classes. A foreign
        palette, such as that of PASCAL VOC, meets one of the table's colours by chance: so the file
        is wrong if such indices are more than those of foreign colours.
        """
        moved, foreign = [], 0
        for value in used:
            color = tuple(map(int, palette[value])) if value < len(palette) else _BLACK
            own = self._row_of_value.get(value)
            rows = self._rows_of_color.get(color, ())
            if color == _BLACK or (own is not None and self.colors[own] == color):
                continue
            if not rows:
                foreign += 1
            elif own is None or self.classes[own] not in {self.classes[row] for row in rows}:
                is_now = "is no value of it" if own is None else f"means '{self.names[own]}'"
                other = f"'{self.names[rows[0]]}' ({self.values[rows[0]]})"
                moved.append(f"index {value} {is_now} but has the colour {color} of {other}")
        if len(moved) <= foreign:
            return ""
        shown = "; ".join(moved[:_SHOWN])
        more = f"; and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
        fix = "take the file as it was published"
        colors = (tuple(palette[value].tolist()) for value in used if value < len(palette))
        if not any(map(self._other_class, colors)):
            fix += (
                ", or save it as RGB, which is read by its colours (Python with Pillow: "
                "`Image.open(FILE).convert('RGB').save(FILE)`)"
            )
        return (
            f"its palette contradicts the label table '{self.table}': {shown}{more}. A tool has "
            f"renumbered the indices; {fix}"
        )

    def values_of(self, image: np.ndarray) -> np.ndarray:
        """Read an RGB label map (H, W, 3), coloured or grey -> (H, W) uint8 values.

        A grey picture holds values if all its levels are values of the table, colours if all are colours of it;
        ValueError where both mean different classes, and for a colour of no row or of rows of two classes.
        """
        if (image == image[..., :1]).all() and self._holds_values(image[..., 0]):
            return np.ascontiguousarray(image[..., 0])
        rows = np.take(_row_of_code(self.colors), _codes(image))
        if (rows == _NO_ROW).any():
            raise ValueError(self._unknown_text(image, rows == _NO_ROW))
        for row in _levels(rows):
            if other := self._other_class(self.colors[row]):
                raise ValueError(
                    f"the colour {self.colors[row]} is that of '{self.names[row]}' and of "
                    f"'{other}' in the label table '{self.table}', which are not one class; give "
                    "them two colours, or take label maps with one value per pixel"
                )
        return np.take(np.array(self.values, np.uint8), rows)

    def _holds_values(self, grey: np.ndarray) -> bool:
        """Whether a grey picture (H, W) with three channels holds values, and not colours."""
        levels = _levels(grey)
        by_value = [self._row_of_value.get(level) for level in levels]
        by_color = [self._rows_of_color.get((level,) * 3) for level in levels]
        if None in by_value or None in by_color:
            # Those that are neither are named by the side that explains more of the file.
            return by_value.count(None) <= by_color.count(None)
        for level, row, twins in zip(levels, by_value, by_color, strict=True):
            if self.classes[row] != self.classes[twins[0]]:  # type: ignore[index]
                raise ValueError(
                    f"a grey picture with three channels: its level {level} is the value of "
                    f"'{self.names[row]}' and the colour of '{self.names[twins[0]]}' in the label "  # type: ignore[index]
                    f"table '{self.table}'; save it with one channel and one value per pixel"
                )
        return True

    @cached_property
    def _row_of_value(self) -> dict[int, int]:
        return {value: row for row, value in enumerate(self.values)}

    @cached_property
    def _rows_of_color(self) -> dict[Color, list[int]]:
        rows: dict[Color, list[int]] = {}
        for row, color in enumerate(self.colors):
            rows.setdefault(color, []).append(row)
        return rows

    def _other_class(self, color: Color) -> str:
        """Name a row that has the colour and another class than the first that has it, or ""."""
        first, *twins = self._rows_of_color.get(color) or [0]
        others = (self.names[t] for t in twins if self.classes[t] != self.classes[first])
        return next(others, "")

    def _unknown_text(self, image: np.ndarray, unknown: np.ndarray) -> str:
        row, column = map(int, np.argwhere(unknown)[0])
        color = image[row, column].astype(int)
        distances = ((np.array(self.colors) - color) ** 2).sum(axis=1)
        nearest = int(distances.argmin())
        return (
            f"the colour {tuple(color.tolist())} at row {row}, column {column} is in no row of the "
            f"label table '{self.table}' (nearest: '{self.names[nearest]}' "
            f"{self.colors[nearest]}); {int(unknown.sum()):,} of {unknown.size:,} pixels have such "
            "colours. Add a row for it, or write label maps without smoothing and compression"
        )


@lru_cache(maxsize=64)
def may_contradict(colors: LabelColors, palette: bytes) -> bool:
    """Whether some index of a palette (three bytes each) could speak against a table."""
    entries = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    return any(colors.contradiction(entries, (value,)) for value in range(len(entries)))


@lru_cache(maxsize=4)
def _row_of_code(colors: tuple[Color, ...]) -> np.ndarray:
    """Return the first row of every 24-bit colour (2^24,) uint8: 16 MiB for one look-up."""
    table = np.full(1 << 24, _NO_ROW, np.uint8)
    for row, color in reversed(list(enumerate(colors[:_NO_ROW]))):
        table[_codes(np.array(color, np.uint8))] = row
    return table


def _codes(image: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 RGB -> (...) uint32, a number of 24 bits for each pixel."""
    wide = image.astype(np.uint32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _levels(values: np.ndarray) -> list[int]:
    return np.flatnonzero(np.bincount(values.ravel(), minlength=256)).tolist()
