"""What a person sees while it trains: a bar on a terminal, a line now and then in a log file."""

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from segibn.text import printable_lines

LINE_INTERVAL_S = 15.0


class TrainingProgress:
    """Loss, speed, share of time waiting for data, memory, time left; silent if not ``enabled``."""

    def __init__(
        self,
        name: str,
        iterations: int,
        first_iteration: int,
        enabled: bool,
        console: Console | None = None,
    ) -> None:
        self._console = console or Console()
        self._bar = _BarAndState(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not (enabled and self._console.is_terminal),
        )
        self._task = self._bar.add_task(
            name, total=iterations, completed=first_iteration, state="", left=""
        )
        self._lines = enabled and not self._console.is_terminal
        self._name, self._iterations, self._first = name, iterations, first_iteration
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> "TrainingProgress":
        self._started = self._last_line = time.monotonic()
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, done: int) -> None:
        """Move the bar to ``done`` finished iterations."""
        self._bar.update(self._task, completed=done, left=self._left(done))

    def show(self, done: int, record: dict[str, float]) -> None:
        """Show the latest numbers: loss, lr, images_per_s, data_wait (0..1), memory_gib."""
        state = (
            f"loss {record['loss']:.3f}  lr {record['lr']:.2e}  "
            f"{record['images_per_s']:.1f} images/s  {record['data_wait']:.0%} data wait"
        )
        if "memory_gib" in record:
            state += f"  {record['memory_gib']:.1f} GiB"
        self._bar.update(self._task, state=state)
        now = time.monotonic()
        if self._lines and (now - self._last_line > LINE_INTERVAL_S or done == self._iterations):
            self._last_line = now
            text = f"{self._name}  {done}/{self._iterations}  {state}  {self._left(done)}"
            self._print(text.rstrip())

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._lines or not self._bar.disable:
            self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(printable_lines(text), highlight=False, markup=False, soft_wrap=True)

    def _left(self, done: int) -> str:
        """Time left at the speed so far, scoring and saving included; empty at the end."""
        if done == self._iterations:
            return ""
        elapsed = time.monotonic() - self._started
        return f"{_clock(elapsed / max(1, done - self._first) * (self._iterations - done))} left"


class _BarAndState(Progress):
    """The numbers stand below the bar: beside it they would not fit 80 columns."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the lines of the display."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["state"]:
                yield Text(task.fields["state"], no_wrap=True, overflow="ellipsis")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
