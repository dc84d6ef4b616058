"""The order of samples is a pure function of seed and position."""

import hashlib
import itertools

import numpy as np
import pytest

from segibn.data.plan import Plan, PositionSampler, Stream, epoch_order


def _sampler(num_samples: int, batch_size_per_rank: int, *, seed: int, **run: int):
    return PositionSampler(Plan((Stream(num_samples),), seed=seed), batch_size_per_rank, **run)


def _flat(sampler: PositionSampler) -> list[tuple[int, int]]:
    draws = list(itertools.chain.from_iterable(sampler))
    assert all(draw.focus is None for draw in draws)
    return [(draw.position, draw.index) for draw in draws]


def test_each_epoch_shows_every_sample_once_in_a_new_order() -> None:
    seen = [index for _, index in _flat(_sampler(12, 4, seed=3, end_iteration=9))]
    epochs = [seen[i : i + 12] for i in range(0, 36, 12)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_positions_count_up_without_gaps_over_epochs_that_do_not_divide() -> None:
    pairs = _flat(_sampler(5, 3, seed=0, end_iteration=7))
    assert [position for position, _ in pairs] == list(range(21))
    for position, index in pairs:
        assert index == epoch_order(5, 0, position // 5)[position % 5]


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_union_of_ranks_is_the_one_rank_batch(world_size: int) -> None:
    whole = list(_sampler(7, 6, seed=1, end_iteration=5))
    ranks = [
        list(_sampler(7, 6 // world_size, seed=1, end_iteration=5, rank=r,
                             world_size=world_size))
        for r in range(world_size)
    ]  # fmt: skip
    assert [[*itertools.chain(*batches)] for batches in zip(*ranks, strict=True)] == whole


def test_a_resumed_run_goes_on_where_it_stopped() -> None:
    whole = list(_sampler(7, 2, seed=1, end_iteration=9))
    rest = _sampler(7, 2, seed=1, start_iteration=4, end_iteration=9)
    assert list(rest) == whole[4:]
    assert len(rest) == 5


def test_seeds_differ() -> None:
    assert not np.array_equal(epoch_order(50, 0, 0), epoch_order(50, 1, 0))


def test_uniform_sampling_is_that_of_the_first_version() -> None:
    # The order that runs were trained in before there was any other sampling (commit 83a65fa).
    batches = _sampler(13, 4, seed=5, start_iteration=3, end_iteration=40, rank=1, world_size=2)
    seen = hashlib.sha256()
    for batch in batches:
        seen.update(repr([(draw.position, draw.index) for draw in batch]).encode())
    assert seen.hexdigest() == "cadd6dc77e513f16cf8b3fa42aede15cc5fb19488e8628507b666ff95fe459ca"
