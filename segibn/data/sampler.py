"""Data room: which samples make up the batch of an iteration of this rank.

The run is one endless sequence of positions 0, 1, 2 ...; iteration i of a run with global batch B
takes the positions i * B to i * B + B - 1, and each rank its share of them in order. What a
position shows is the plan's (`plan.py`). Two ranks therefore see together what one rank would see
alone, and a resumed run goes on exactly where it stopped.
"""

from collections.abc import Iterator

from torch.utils.data import Sampler

from segibn.data.plan import Draw, Plan


class PositionSampler(Sampler[list[Draw]]):
    """Yields one list of `Draw` for each iteration of this rank."""

    def __init__(
        self,
        plan: Plan,
        batch_size_per_rank: int,
        *,
        end_iteration: int,
        start_iteration: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Describe the run.

        Args:
            plan: what each position shows.
            batch_size_per_rank: samples a rank gets in each iteration.
            end_iteration: the first iteration that is not yielded any more.
            start_iteration: where to begin; a resumed run gives the iteration it goes on with.
            rank: of this process.
            world_size: number of processes.
        """
        if batch_size_per_rank < 1:
            raise ValueError(f"batches of {batch_size_per_rank} samples")
        self.plan = plan
        self.batch_size_per_rank = batch_size_per_rank
        self.start_iteration = start_iteration
        self.end_iteration = end_iteration
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        """Number of batches to come."""
        return max(0, self.end_iteration - self.start_iteration)

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield the batches from ``start_iteration`` on."""
        batch_size = self.batch_size_per_rank * self.world_size
        for iteration in range(self.start_iteration, self.end_iteration):
            first = iteration * batch_size + self.rank * self.batch_size_per_rank
            positions = range(first, first + self.batch_size_per_rank)
            yield [self.plan.draw(position, batch_size) for position in positions]
