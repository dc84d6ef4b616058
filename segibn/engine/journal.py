"""What a training tells the world: a progress display, ``metrics.jsonl``, TensorBoard, pictures."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from segibn import distributed
from segibn.config.schema import RunConfig
from segibn.engine.progress import TrainingProgress
from segibn.engine.run_dir import MetricsLog, RunDir
from segibn.engine.update import Batch
from segibn.errors import SegibnError


class Journal:
    """Progress bar, metrics files and pictures; everything but rank 0 stays silent.

    Attributes:
        trouble: the first of what should end the training, but does not harm its weights: a file
            that cannot be read or written. None without.
    """

    def __init__(self, config: RunConfig, run: RunDir, first: int, device: torch.device) -> None:
        self._config, self._run, self._device = config, run, device
        self.trouble: SegibnError | None = None
        main = distributed.is_main()
        iterations = config.optim.iterations
        self._progress = TrainingProgress(config.name, iterations, first, enabled=main)
        self._log = MetricsLog(run, first) if main else None
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
        """Keep in ``trouble`` which file cannot be read or written."""
        try:
            yield
        except OSError as error:
            path, why = os.fsdecode(error.filename or self._run.path), error.strerror or error
            self.trouble = self.trouble or SegibnError(f"{path}: cannot be written ({why})")
        except SegibnError as error:
            self.trouble = self.trouble or error.with_traceback(None)  # whose frames keep workers

    def say(self, text: str) -> None:
        """Print a line on the main rank."""
        self._progress.say(f"{self._config.name}: {text}")

    def timed(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the loader's batches; the time that the training waits for them is counted.

        What cannot be read ends them, and is in ``trouble``.
        """
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
        """Count an update; every ``log_every`` write down how it went.

        Args:
            done: updates so far.
            loss: of the last of them, mean over the global batch.
            lr: likewise its learning rate.
            at: when it had been launched, by ``time.monotonic``: it is read later.
        """
        self._progress.advance(done)
        if self._log is None:
            return
        if done % self._config.engine.log_every and done != self._config.optim.iterations:
            return
        elapsed = max(at - self._clock, 1e-9)
        images = (done - self._counted_from) * self._config.optim.global_batch_size
        record = {
            "loss": loss,
            "lr": lr,
            "images_per_s": images / elapsed,
            "data_wait": min(1.0, self._waited / elapsed),
        }
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
        if self._log is None or not numbers:
            return
        with self.noting_trouble():
            self._log.write(done, numbers)
        self.say(f"source mIoU {100 * numbers['val_miou']:.2f} % after {done} iterations")

    def picture(self, done: int, name: str, picture: np.ndarray) -> None:
        """Keep a picture (H, W, 3) uint8 RGB of a validation frame: TensorBoard, run folder."""
        if self._log is not None:
            with self.noting_trouble():
                self._log.picture(done, name, picture)
