"""What each position shows: exact shares, passes of each source, and nothing remembered."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from segibn.data.class_index import ClassIndex
from segibn.data.focus import FocusTable, class_uniform_probabilities
from segibn.data.plan import Plan, PositionSampler, Stream, epoch_order, place

BATCH = 8
SIZES, SHARES = (13, 7, 5), (0.3, 0.1)


def _focus(num_samples: int) -> FocusTable:
    """Two classes; every frame has both, at places that tell the class and the frame."""
    pixels = np.full((num_samples, 2), 50)
    frame = np.repeat(np.arange(num_samples), 2)
    train_id = np.tile(np.arange(2, dtype=np.uint8), num_samples)
    index = ClassIndex(pixels, frame, train_id, np.stack([train_id, frame], axis=1))
    return FocusTable(index, class_uniform_probabilities(index), by_frame=False)


def _plan(seed: int = 3, focus_share: float = 0.25) -> Plan:
    streams = [Stream(size, _focus(size), focus_share) for size in SIZES]
    return Plan(streams, SHARES, seed=seed)


def _source(index: int) -> int:
    return int(np.searchsorted(np.cumsum(SIZES), index, side="right"))


@pytest.mark.parametrize("shares", [(0.5,), (0.3, 0.1), (0.05, 0.25, 0.6), (1e-3,), (0.999,), (1 / 3, 1 / 3)], ids=str)
def test_positions_are_shared_out_evenly_and_counted(shares: tuple[float, ...]) -> None:
    exact = [Fraction(repr(share)) for share in shares]
    counts = [0] * (len(shares) + 1)
    for position in range(4000):
        taker, before = place(position, exact)
        assert before == counts[taker]
        counts[taker] += 1
        for number, share in enumerate(exact, start=1):
            # The next share gets its part of what the ones before it leave.
            assert abs(counts[number] - share * (position + 1)) < number
    far = 10**12
    assert place(far, exact)[1] == pytest.approx(
        far * float([1 - sum(exact), *exact][place(far, exact)[0]]), abs=len(shares) + 1
    )


def test_every_batch_has_the_shares_and_the_long_run_has_them_exactly() -> None:
    plan = _plan()
    per_batch = []
    for iteration in range(100):
        draws = [plan.draw(iteration * BATCH + slot, BATCH) for slot in range(BATCH)]
        per_batch.append(np.bincount([_source(draw.index) for draw in draws], minlength=3))
    due = BATCH * np.array([0.6, 0.3, 0.1])
    assert np.abs(np.array(per_batch) - due).max() < 2
    assert np.sum(per_batch, axis=0).tolist() == [480, 240, 80]


def test_each_source_goes_through_its_own_shuffled_passes() -> None:
    plan = _plan(focus_share=0.0)
    draws = [plan.draw(position, 1) for position in range(1000)]
    for number, size in enumerate(SIZES):
        first = sum(SIZES[:number])
        own = [draw.index - first for draw in draws if _source(draw.index) == number]
        passes = [own[i : i + size] for i in range(0, len(own) - size + 1, size)]
        assert len(passes) > 5
        assert all(sorted(one) == list(range(size)) for one in passes)
        assert passes[0] == epoch_order(size, 3, 0, number).tolist()
        assert passes[0] != passes[1]


def test_sources_of_the_same_size_are_not_shuffled_alike() -> None:
    assert not np.array_equal(epoch_order(50, 0, 0, 0), epoch_order(50, 0, 0, 1))
    assert not np.array_equal(epoch_order(50, 0, 0, 1), epoch_order(50, 0, 1, 1))


def test_the_share_drawn_by_class_is_exact_in_every_source_and_the_rest_still_passes() -> None:
    plan = _plan()
    draws = [plan.draw(position, BATCH) for position in range(8000)]
    for number, size in enumerate(SIZES):
        first = sum(SIZES[:number])
        own = [draw for draw in draws if _source(draw.index) == number]
        focused = [draw for draw in own if draw.focus is not None]
        assert len(focused) == len(own) // 4
        # The point is one of that frame, and the two classes come alike.
        assert all(draw.focus[1] == draw.index - first for draw in focused)
        share = np.mean([draw.focus[0] for draw in focused])
        assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(focused))
        seen = np.bincount([draw.index - first for draw in own if draw.focus is None])
        assert seen.max() - seen.min() <= 1 + BATCH // size  # a batch's order is shuffled
        assert seen.size == size


def test_no_rank_keeps_getting_one_source() -> None:
    plan = Plan([Stream(9), Stream(9)], (0.5,), seed=0)
    ranks = [PositionSampler(plan, 1, end_iteration=400, rank=rank, world_size=2) for rank in range(2)]
    first, second = (np.array([batch[0].index >= 9 for batch in rank]) for rank in ranks)
    assert (first ^ second).all()  # one of each in every batch
    assert 160 < first.sum() < 240  # four standard deviations


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("start", [0, 1, 7, 40])
def test_ranks_and_resumes_change_nothing(world_size: int, start: int) -> None:
    whole = list(PositionSampler(_plan(), BATCH, end_iteration=45))
    ranks = [
        list(PositionSampler(_plan(), BATCH // world_size, start_iteration=start,
                             end_iteration=45, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]  # fmt: skip
    together = [[*itertools.chain(*batches)] for batches in zip(*ranks, strict=True)]
    assert together == whole[start:]
    assert any(draw.focus is not None for batch in whole for draw in batch)


def test_a_position_shows_the_same_whatever_was_asked_before() -> None:
    plan, other = _plan(), _plan()
    order = np.random.default_rng(0).permutation(300).tolist()
    drawn = {position: plan.draw(position, BATCH) for position in order}
    assert [drawn[position] for position in range(300)] == [other.draw(position, BATCH) for position in range(300)]
    assert [draw.position for draw in drawn.values()] == order
    assert drawn != {position: _plan(seed=4).draw(position, BATCH) for position in order}


def test_one_source_without_classes_is_the_plain_order() -> None:
    for position in range(40):
        draw = Plan((Stream(6),), seed=2).draw(position, BATCH)
        assert draw == (position, epoch_order(6, 2, position // 6)[position % 6], None)
