"""What a training tells: a progress display, ``metrics.jsonl``, TensorBoard, pictures."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from segibn import distributed
from segibn.config.schema import RunConfig
from segibn.engine.run_dir import MetricsLog, RunDir
from segibn.engine.trackers import Trackers
from segibn.engine.update import Batch
from segibn.errors import SegibnError
from segibn.text import printable_lines
from segibn.text.progress import LINE_INTERVAL_S, time_left


class Journal:
    """Progress display, metrics files and pictures; everything but rank 0 stays silent."""

    def __init__(self, config: RunConfig, run: RunDir, first: int, device: torch.device) -> None:
        self._config, self._run, self._device = config, run, device
        # The first of what should end the training but does not harm its weights: a file that
        # cannot be read or written.
        self.trouble: SegibnError | None = None
        main = distributed.is_main()
        work = partial(pixels_of_updates, config)
        self._progress = TrainingProgress(config.name, config.optim.iterations, first, enabled=main, work=work)
        told = (config.engine.trackers, run.path, config.name, first, config.model_dump(mode="json"))
        self._log = MetricsLog(run, first, Trackers(*told)) if main else None
        self._counted_from, self._clock, self._waited = first, time.monotonic(), 0.0

    def __enter__(self) -> "Journal":
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)
        if self._log is not None:
            with self.noting_trouble():
                self._log.close()

    @contextmanager
    def noting_trouble(self) -> Iterator[None]:
        """Keep in ``trouble`` which file cannot be read or written in the block."""
        try:
            yield
        except OSError as error:
            path, why = os.fsdecode(error.filename or self._run.path), error.strerror or error
            self.trouble = self.trouble or SegibnError(f"{path}: cannot be written ({why})")
        except SegibnError as error:
            self.trouble = self.trouble or error.with_traceback(None)  # whose frames keep workers

    def timed(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the loader's batches and count the time waited; ``trouble`` ends them."""
        batches = iter(loader)
        while True:
            start, batch = time.monotonic(), None
            with self.noting_trouble():
                batch = next(batches, None)
            self._waited += time.monotonic() - start
            if batch is None:
                return
            yield batch

    def record(self, done: int, loss: float, lr: float, at: float) -> None:
        """Count an update, launched ``at`` by ``time.monotonic``; write down every few of them."""
        self._progress.advance(done)
        is_due = not done % self._config.engine.log_every or done == self._config.optim.iterations
        if self._log is None or not is_due:
            return
        elapsed = max(at - self._clock, 1e-9)
        images = (done - self._counted_from) * self._config.optim.global_batch_size
        record = {"loss": loss, "lr": lr, "images_per_s": images / elapsed}
        record["data_wait"] = min(1.0, self._waited / elapsed)
        if self._device.type == "cuda":
            record["memory_gib"] = torch.cuda.max_memory_allocated(self._device) / 2**30
        self._counted_from, self._clock, self._waited = done, at, 0.0
        with self.noting_trouble():
            self._log.write(done, record)
        self._progress.show(done, record)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out of the speed what happens in the block: saving, scoring."""
        start = time.monotonic()
        yield
        self._clock += time.monotonic() - start

    def evaluated(self, done: int, numbers: dict[str, float]) -> None:
        """Write down scores on the source domain."""
        if self._log is None:
            return
        with self.noting_trouble():
            self._log.write(done, numbers)
        miou = f"source mIoU {100 * numbers['val_miou']:.2f} %"
        self._progress.say(f"{self._config.name}: {miou} after {done} iterations")

    def picture(self, done: int, name: str, picture: np.ndarray) -> None:
        """Keep a picture (H, W, 3) uint8 RGB of a validation frame: TensorBoard, run folder."""
        if self._log is not None:
            with self.noting_trouble():
                self._log.picture(done, name, picture)


class TrainingProgress:
    """A bar on a terminal, a line now and then in a log file; silent if not ``enabled``."""

    def __init__(
        self,
        name: str,
        iterations: int,
        first: int,
        enabled: bool,
        console: Console | None = None,
        work: Callable[[int], float] = float,  # of so many updates
    ) -> None:
        self._console = console or Console()
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
        left = TextColumn("{task.fields[left]}")
        is_shown = enabled and self._console.is_terminal
        self._bar = _BarAndState(*columns, left, console=self._console, disable=not is_shown)
        self._task = self._bar.add_task(name, total=iterations, completed=first, state="", left="")
        self._enabled, self._lines = enabled, enabled and not self._console.is_terminal
        self._name, self._iterations, self._first, self._work = name, iterations, first, work
        self._started = self._last_line = time.monotonic()

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, done: int) -> None:
        """Move the bar to ``done`` finished iterations."""
        self._bar.update(self._task, completed=done, left=self._left(done))

    def show(self, done: int, record: dict[str, float]) -> None:
        """Show the latest numbers, those of `Journal.record`."""
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
            self.say(f"{self._name}  {done}/{self._iterations}  {state}  {self._left(done)}")

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._enabled:
            text = printable_lines(text).rstrip()
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _left(self, done: int) -> str:
        """Time left at the speed so far, scoring and saving included; empty at the end."""
        elapsed, work = time.monotonic() - self._started, self._work(done)
        done_here, left = work - self._work(self._first), self._work(self._iterations) - work
        return time_left(done_here, elapsed, left).removeprefix(", ")


def pixels_of_updates(config: RunConfig, count: int) -> float:
    """Return how many updates at full size take as long as the first ``count``."""
    return count - 0.75 * min(count, config.half_size_updates)


class _BarAndState(Progress):
    """The numbers stand below the bar: beside it they would not fit 80 columns."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the lines of the display."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            yield Text(task.fields["state"], no_wrap=True, overflow="ellipsis")
