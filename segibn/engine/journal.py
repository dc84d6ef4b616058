"""What a training tells the world: a progress display, ``metrics.jsonl``, TensorBoard."""

import time

import torch

from segibn import distributed
from segibn.config.schema import RunConfig
from segibn.engine.progress import TrainingProgress
from segibn.engine.run_dir import MetricsLog, RunDir


class Journal:
    """Progress bar and metrics files; everything but rank 0 stays silent."""

    def __init__(self, config: RunConfig, run: RunDir, first: int) -> None:
        self._config = config
        main = distributed.is_main()
        iterations = config.optim.iterations
        self._progress = TrainingProgress(config.name, iterations, first, enabled=main)
        self._log = MetricsLog(run, first) if main else None
        self._counted_from, self._clock = first, time.monotonic()

    def __enter__(self) -> None:
        self._progress.__enter__()

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)
        if self._log is not None:
            self._log.close()

    def say(self, text: str) -> None:
        """Print a line on the main rank."""
        self._progress.say(f"{self._config.name}: {text}")

    def record(self, done: int, loss: torch.Tensor, lr: float) -> None:
        """Count an iteration; every ``log_every`` read the loss and write it down."""
        self._progress.advance(done)
        if self._log is None:
            return
        if done % self._config.engine.log_every and done != self._config.optim.iterations:
            return
        value, now = loss.item(), time.monotonic()
        images = (done - self._counted_from) * self._config.optim.global_batch_size
        record = {"loss": value, "lr": lr, "images_per_s": images / (now - self._clock)}
        self._counted_from, self._clock = done, now
        self._log.write(done, record)
        self._progress.show(done, record)

    def evaluated(self, done: int, numbers: dict[str, float]) -> None:
        """Write down scores on the source domain; evaluation time does not count as training."""
        self._clock = time.monotonic()
        if self._log is None or not numbers:
            return
        self._log.write(done, numbers)
        self.say(f"source mIoU {100 * numbers['val_miou']:.2f} % after {done} iterations")
