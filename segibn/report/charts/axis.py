"""Axes: which round values are marked, where a value lies, how a mark is written."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to places in a drawing.

    Attributes:
        low: value at ``start``.
        high: value at ``end``.
        step: between two marks, 1, 2 or 5 times a power of ten.
        start: place of ``low``, in units of the drawing.
        end: place of ``high``; less than ``start`` for an axis that points up.
    """

    low: float
    high: float
    step: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Multiples of the step between the ends."""
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [index * self.step for index in range(first, last + 1)]


def covering_axis(low: float, high: float, start: float, end: float, marks: int = 5) -> Axis:
    """Choose an axis whose ends are marks and enclose the data.

    Args:
        low: the smallest value.
        high: the largest.
        start: place of the axis' low end.
        end: place of its high end.
        marks: about how many steps.
    """
    if not high > low:  # one value only: some room on both sides
        room = abs(low) / 2 or 1.0
        low, high = low - room if low < 0 else max(0.0, low - room), high + room
    step = _round_step((high - low) / marks)
    return Axis(
        math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step, start, end
    )


def exact_axis(low: float, high: float, start: float, end: float) -> Axis:
    """Choose an axis that ends where the data end; the marks between are round."""
    if not high > low:
        high = low + 1.0
    return Axis(low, high, _round_step((high - low) / 5), start, end)


def tick_text(value: float, step: float) -> str:
    """Write a mark with the digits that its step needs: 0.05, 20, 5k, 2M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if step >= size and value:
            return f"{value / size:,.0f}{letter}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not float(text) else text


def power_of_ten(largest: float) -> int:
    """Return the power that an axis of small values is written in; 0 from 0.01 upwards."""
    return 0 if not 0 < largest < 0.01 else math.floor(math.log10(largest) + 1e-9)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(times * power for times in (1, 2, 5, 10) if rough <= times * power * (1 + 1e-9))
