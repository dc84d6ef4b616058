"""Progress of work on frames: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_INTERVAL_S = 15.0
FIRST_LINE_S = 3.0
"""Work that ends before says nothing; else the first line tells early how long it will take."""


class FrameProgress:
    """Shows ``done / total`` on stderr, so that stdout keeps tables only; a context manager.

    Args:
        title: what is being done.
        total: frames in all.
        enabled: False = silent, for all ranks but the first.
    """

    def __init__(self, title: str, total: int, enabled: bool = True) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        on_terminal = enabled and console.is_terminal
        self._bar = Progress(
            *columns, _Speed(), TimeRemainingColumn(), console=console, disable=not on_terminal
        )
        self._task = self._bar.add_task(title, total=total)
        self._writes_lines = enabled and not on_terminal
        self._title, self._total = title, total
        self._next_line = time.monotonic() + FIRST_LINE_S
        self._start: tuple[int, float] | None = None

    def __enter__(self) -> "FrameProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int | None = None) -> None:
        """Show that ``done`` frames are finished."""
        total = total or self._total
        now = time.monotonic()
        if self._start is None:  # what an earlier attempt had finished says nothing about speed
            self._start = (done, now)
            self._bar.reset(self._task, completed=done, total=total)
        self._bar.update(self._task, completed=done, total=total)
        if self._writes_lines and now >= self._next_line:
            self._next_line = now + LINE_INTERVAL_S
            since = done - self._start[0], now - self._start[1]
            left = time_left(*since, total - done)
            speed = f", {since[0] / since[1]:.1f} frames/s" if min(since) > 0 else ""
            print(f"{self._title}  {done}/{total}{speed}{left}", file=sys.stderr, flush=True)


class _Speed(ProgressColumn):
    """Frames a second of late, empty until it is known."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")


class Phases:
    """Several ``FrameProgress`` after each other; a context manager.

    A terminal shows one bar at a time, so each begins when the one before it is done.
    """

    def __init__(self) -> None:
        self._shown = ExitStack()

    def __enter__(self) -> "Phases":
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def add(self, title: str) -> Callable[[int, int], None]:
        """Return a phase, to be called with (done, total); it begins with its first call."""
        bars: list[FrameProgress] = []

        def show(done: int, total: int) -> None:
            if not bars:
                self._shown.close()
                bars.append(self._shown.enter_context(FrameProgress(title, total)))
            bars[0](done, total)

        return show


def time_left(done: int, seconds: float, remaining: int) -> str:
    """Say how long ``remaining`` frames take at the speed of those done; empty if unknown."""
    if done < 1 or remaining < 1:
        return ""
    left = seconds / done * remaining
    hours, minutes = divmod(round(left / 60), 60)
    if hours:
        return f", about {hours} h {minutes:02d} min left"
    return f", about {minutes} min left" if minutes else f", about {max(1, round(left))} s left"
