"""Progress of work on frames: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_INTERVAL_S = 15.0


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
            *columns, TimeRemainingColumn(), console=console, disable=not on_terminal
        )
        self._task = self._bar.add_task(title, total=total)
        self._writes_lines = enabled and not on_terminal
        self._title, self._total = title, total
        self._last_line = time.monotonic()

    def __enter__(self) -> "FrameProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int | None = None) -> None:
        """Show that ``done`` frames are finished."""
        self._bar.update(self._task, completed=done, total=total or self._total)
        now = time.monotonic()
        if self._writes_lines and now - self._last_line > LINE_INTERVAL_S:
            self._last_line = now
            print(f"{self._title}  {done}/{total or self._total}", file=sys.stderr, flush=True)
