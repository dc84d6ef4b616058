"""What a person sees while it trains: a bar on a terminal, a line now and then in a log file."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_INTERVAL_S = 15.0


class TrainingProgress:
    """Loss, speed, share of time waiting for data, memory, time left; silent if not ``enabled``."""

    def __init__(self, name: str, iterations: int, first_iteration: int, enabled: bool) -> None:
        self._console = Console()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (enabled and self._console.is_terminal),
        )
        self._task = self._bar.add_task(name, total=iterations, completed=first_iteration, state="")
        self._lines = enabled and not self._console.is_terminal
        self._name, self._iterations, self._first = name, iterations, first_iteration
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, done: int) -> None:
        """Move the bar to ``done`` finished iterations."""
        self._bar.update(self._task, completed=done)

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
            left = (now - self._started) / max(1, done - self._first) * (self._iterations - done)
            print(
                f"{self._name}  {done}/{self._iterations}  {state}  {_clock(left)} left", flush=True
            )

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._lines or not self._bar.disable:
            self._console.print(text, highlight=False)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
