"""What a run shows at each position, and which positions make up a batch. No torch.

Iteration i of a run with global batch B takes the positions i * B to i * B + B - 1 of an endless
sequence, each rank its share of them in order. What a position shows is a function of the seed and
the position, by exact fractions (`place`), so any worker, rank or resumed run can start anywhere.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from segibn.data.focus import FocusTable, Point
from segibn.errors import ConfigError

# The third word of a seed keeps these streams apart from each other and from the augmentation's
# (`dataset.sample_seed`), which has two words.
_ORDER, _FOCUS, _SLOTS = 1, 2, 3


class Draw(NamedTuple):
    """What a position of a run shows."""

    position: int  # how many samples the run has drawn before, over all ranks
    index: int  # of the sample; the samples of several sources are numbered through
    focus: Point | None = None
    """Row and column, in the frame after ``data.resize``, that the crop must contain."""


class Stream:
    """Endless draws from one source: shuffled passes, and a share, 0..1, from ``focus``."""

    def __init__(self, num_samples: int, focus: FocusTable | None = None, focus_share: float = 0.0) -> None:
        self.num_samples = num_samples
        self.focus = focus
        self.focus_share = exact(focus_share) if focus is not None else Fraction(0)

    def draw(self, count: int, seed: int, number: int) -> tuple[int, Point | None]:
        """Return sample and point of the draw that ``count`` draws of source ``number`` precede."""
        focused, before = place(count, (self.focus_share,))
        if focused and self.focus is not None:
            return self.focus.draw(_rng(seed, count, _FOCUS, number))
        epoch, step = divmod(before, self.num_samples)
        return int(epoch_order(self.num_samples, seed, epoch, number)[step]), None


class Plan:
    """The positions of a run over its sources; ``shares`` are of all but the first."""

    def __init__(self, streams: Sequence[Stream], shares: Sequence[float] = (), *, seed: int) -> None:
        self.streams = tuple(streams)
        self.shares = tuple(exact(share) for share in shares)
        self.seed = seed
        sizes = [stream.num_samples for stream in self.streams]
        self._first_index = [sum(sizes[:number]) for number in range(len(sizes))]
        self._is_uniform = len(self.streams) == 1 and not self.streams[0].focus_share

    def draw(self, position: int, batch_size: int) -> Draw:
        """Return what a position shows, in iterations of ``batch_size`` samples over all ranks."""
        # Every batch has the shares as nearly as whole samples can; within it the order is random,
        # so that no rank keeps getting one source.
        turn = position
        if not self._is_uniform:
            iteration, slot = divmod(position, batch_size)
            turn = iteration * batch_size + int(_slots(batch_size, self.seed, iteration)[slot])
        number, count = place(turn, self.shares)
        index, focus = self.streams[number].draw(count, self.seed, number)
        return Draw(position, self._first_index[number] + index, focus)


@dataclass(frozen=True)
class PositionSampler:
    """Yields one list of `Draw` for each iteration of this rank: a DataLoader's batch sampler."""

    plan: Plan
    batch_size_per_rank: int
    _: KW_ONLY
    end_iteration: int  # the first that is not yielded
    start_iteration: int = 0
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return max(0, self.end_iteration - self.start_iteration)

    def __iter__(self) -> Iterator[list[Draw]]:
        batch_size = self.batch_size_per_rank * self.world_size
        for iteration in range(self.start_iteration, self.end_iteration):
            first = iteration * batch_size + self.rank * self.batch_size_per_rank
            yield [self.plan.draw(position, batch_size) for position in range(first, first + self.batch_size_per_rank)]


@dataclass(frozen=True)
class BatchPlan:
    """Samples of one optimiser update."""

    per_process: int
    steps: int  # micro-batches that each process takes them in, accumulating gradients

    @property
    def micro_batch(self) -> int:
        """Samples that are on the device at a time."""
        return self.per_process // self.steps


def plan_batch(global_batch: int, processes: int, most_per_process: int | None = None) -> BatchPlan:
    """Share out ``optim.global_batch_size``; ConfigError: it cannot be done evenly.

    ``most_per_process`` fit on a device at a time (``engine.max_micro_batch``); None = no limit.
    """
    if global_batch % processes:
        raise ConfigError(
            f"optim.global_batch_size {global_batch} cannot be shared out over {processes} "
            f"processes; make it a multiple of {processes}"
        )
    per_process = global_batch // processes
    most = per_process if most_per_process is None else most_per_process
    divisors = (n for n in range(1, per_process + 1) if per_process % n == 0)
    return BatchPlan(per_process, next(n for n in divisors if per_process // n <= most))


def place(position: int, shares: Sequence[Fraction]) -> tuple[int, int]:
    """Return who gets a position when they are shared out evenly, and how many it got before.

    Takers 1, 2 ... have the shares, taker 0 the rest. A share takes every position at which
    ``position * share`` passes a whole number; the next does the same with those that are left.
    """
    rest = Fraction(1)
    for taker, share in enumerate(shares, start=1):
        part = share / rest
        before = math.floor(position * part)
        if math.floor((position + 1) * part) > before:
            return taker, before
        position -= before
        rest -= share
    return 0, position


def exact(share: float) -> Fraction:
    """Return the fraction that was written: 0.1 is a tenth, which no float is."""
    return Fraction(repr(float(share)))


@lru_cache(maxsize=16)
def epoch_order(num_samples: int, seed: int, epoch: int, number: int = 0) -> np.ndarray:
    """Return the order of the samples of source ``number`` in one pass, (N,) int64, read-only."""
    order = _rng(seed, epoch, _ORDER, number).permutation(num_samples)
    order.flags.writeable = False
    return order


@lru_cache(maxsize=4)
def _slots(batch_size: int, seed: int, iteration: int) -> np.ndarray:
    return _rng(seed, iteration, _SLOTS).permutation(batch_size)


def _rng(seed: int, count: int, stream: int, number: int = 0) -> np.random.Generator:
    words = (seed, count, stream, number) if number else (seed, count, stream)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
