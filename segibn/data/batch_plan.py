"""How the global batch of a config is shared out: processes, and steps within a process."""

from dataclasses import dataclass

from segibn.errors import ConfigError


@dataclass(frozen=True)
class BatchPlan:
    """Samples of one optimiser update."""

    per_process: int
    steps: int
    """Micro-batches that each process takes them in, accumulating gradients."""

    @property
    def micro_batch(self) -> int:
        """Samples that are on the device at a time."""
        return self.per_process // self.steps


def plan_batch(global_batch: int, processes: int, most_per_process: int | None = None) -> BatchPlan:
    """Share out ``optim.global_batch_size``; the samples of an update do not depend on how.

    ``most_per_process`` fit on a device at a time (``engine.max_micro_batch``); None = no limit.
    ConfigError: the batch cannot be shared out evenly.
    """
    if global_batch % processes:
        raise ConfigError(
            f"optim.global_batch_size {global_batch} cannot be shared out over {processes} "
            f"processes; make it a multiple of {processes}"
        )
    per_process = global_batch // processes
    most = per_process if most_per_process is None else most_per_process
    divisors = (n for n in range(1, per_process + 1) if per_process % n == 0)
    steps = next(n for n in divisors if per_process // n <= most)
    return BatchPlan(per_process, steps)
