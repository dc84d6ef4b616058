"""Processes that are started again find each other, not those that are gone."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from segibn.distributed import fresh_store
from segibn.errors import SegibnError


def meet(store: dist.Store, delays: tuple[float, ...]) -> list[dist.Store]:
    """Let one thread for each rank come to the meeting, each after its delay."""

    def come(rank: int) -> dist.Store:
        time.sleep(delays[rank])
        return fresh_store(store, rank, len(delays), patience_s=20)

    with ThreadPoolExecutor(len(delays)) as threads:
        return list(threads.map(come, range(len(delays))))


@pytest.mark.parametrize("delays", [(0, 0, 0), (0.3, 0, 0.1), (0, 0.3, 0), (0.2, 0.1, 0)])
def test_each_start_gets_a_part_of_the_store_without_what_earlier_ones_left(delays: tuple[float, ...]) -> None:
    store = dist.HashStore()
    for start in range(3):
        parts = meet(store, delays)
        for rank, part in enumerate(parts):
            assert not part.check(["address"])
            part.set(f"address of {rank}", f"{start}")
        assert all(part.get("address of 0") == str(start).encode() for part in parts)
        parts[0].set("address", "that the next start must not see")


def test_a_process_that_was_lost_while_it_met_the_others_does_not_count() -> None:
    store = dist.HashStore()
    for rank in (0, 1):  # neither finds the other, as if it had been killed at once
        with pytest.raises(SegibnError, match=r"2 processes of this run came within 0\.1 s"):
            fresh_store(store, rank, 2, patience_s=0.1)
    first, second = meet(store, (0.2, 0))
    first.set("address", "new")
    assert second.get("address") == b"new"


def test_two_that_miss_each_other_by_an_answer_do_not_meet() -> None:
    store = dist.HashStore()
    meet(store, (0, 0))  # its names, roll and answers stay behind
    with pytest.raises(SegibnError, match="not all 2 processes"):
        fresh_store(store, 0, 2, patience_s=0.2)
    with pytest.raises(SegibnError, match="not all 2 processes"):
        fresh_store(store, 1, 2, patience_s=0.2)
