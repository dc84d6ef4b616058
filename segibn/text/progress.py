"""Progress of work on frames: bars on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable

import rich.progress as bars
from rich.console import Console
from rich.text import Text

from segibn.text import duration

LINE_INTERVAL_S = 15.0
FIRST_LINE_S = 3.0  # work that ends before says nothing


class FrameProgress:
    """Shows ``done / total`` of its title's work or of `phase`s on stderr; a context manager."""

    def __init__(self, title: str = "", total: int = 0, enabled: bool = True) -> None:
        console = Console(stderr=True)
        self._writes_lines = enabled and not console.is_terminal
        columns = (bars.TextColumn("{task.description}"), bars.BarColumn())
        columns += (bars.MofNCompleteColumn(), _Speed(), bars.TimeRemainingColumn())
        is_shown = enabled and console.is_terminal
        self._bars = bars.Progress(*columns, console=console, disable=not is_shown)
        self._show = self.phase(title, total)

    def __enter__(self) -> "FrameProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, done: int, total: int | None = None) -> None:
        """Show that ``done`` frames are finished."""
        self._show(done, total)

    def phase(self, title: str, total: int = 0) -> Callable[..., None]:
        """Return what shows one piece of work, called with the frames done and, if new, in all.

        Without a total it appears with its first call.
        """
        task = self._bars.add_task(title, total=total, visible=bool(total))
        begun: tuple[int, float] | None = None
        next_line = 0.0

        def show(done: int, of: int | None = None) -> None:
            nonlocal begun, next_line
            of, now = of or total, time.monotonic()
            if begun is None:  # what an earlier attempt had finished says nothing about speed
                begun, next_line = (done, now), now + FIRST_LINE_S
                self._bars.reset(task, completed=done, total=of, visible=True)
            self._bars.update(task, completed=done, total=of)
            if self._writes_lines and now >= next_line:
                next_line = now + LINE_INTERVAL_S
                new, seconds = done - begun[0], now - begun[1]
                speed = f", {new / seconds:.1f} frames/s" if min(new, seconds) > 0 else ""
                left = time_left(new, seconds, of - done)
                print(f"{title}  {done}/{of}{speed}{left}", file=sys.stderr, flush=True)

        return show


class _Speed(bars.ProgressColumn):
    def render(self, task: bars.Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")


def time_left(done: float, seconds: float, remaining: float) -> str:
    """Say how long ``remaining`` frames take at the speed of those done; empty if unknown."""
    if done < 1 or remaining < 1:
        return ""
    return f", about {duration(seconds / done * remaining)} left"
