"""Data room: which samples make up the batch of an iteration. A pure function of the seed.

The run is one endless sequence of positions 0, 1, 2 ...; iteration i of a run with global batch B
takes the positions i * B to i * B + B - 1, and each rank its share of them in order. Each pass over
the N samples shuffles them anew. Two ranks therefore see together what one rank would see alone,
and a resumed run goes on exactly where it stopped.
"""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class PositionSampler(Sampler[list[tuple[int, int]]]):
    """Yields one list of (position, index) for each iteration of this rank."""

    def __init__(
        self,
        num_samples: int,
        batch_size_per_rank: int,
        *,
        seed: int,
        end_iteration: int,
        start_iteration: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Describe the run.

        Args:
            num_samples: N, at least 1.
            batch_size_per_rank: samples a rank gets in each iteration.
            seed: of the order of samples.
            end_iteration: the first iteration that is not yielded any more.
            start_iteration: where to begin; a resumed run gives the iteration it goes on with.
            rank: of this process.
            world_size: number of processes.
        """
        if num_samples < 1 or batch_size_per_rank < 1:
            raise ValueError(f"{num_samples} samples in batches of {batch_size_per_rank}")
        self.num_samples = num_samples
        self.batch_size_per_rank = batch_size_per_rank
        self.seed = seed
        self.start_iteration = start_iteration
        self.end_iteration = end_iteration
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        """Number of batches to come."""
        return max(0, self.end_iteration - self.start_iteration)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches from ``start_iteration`` on."""
        epoch, order = -1, np.empty(0, np.int64)
        for iteration in range(self.start_iteration, self.end_iteration):
            first = (iteration * self.world_size + self.rank) * self.batch_size_per_rank
            batch = []
            for position in range(first, first + self.batch_size_per_rank):
                if position // self.num_samples != epoch:
                    epoch = position // self.num_samples
                    order = epoch_order(self.num_samples, self.seed, epoch)
                batch.append((position, int(order[position % self.num_samples])))
            yield batch


def epoch_order(num_samples: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of samples in one pass, (N,) int64.

    The third word keeps this stream apart from the samples' augmentation seeds.
    """
    sequence = np.random.SeedSequence((seed, epoch, 1))
    return np.random.Generator(np.random.PCG64(sequence)).permutation(num_samples)
