"""Processes of one run: torchrun's environment, who writes files, exact sums over ranks.

Without torchrun every function behaves as rank 0 of 1, so callers need no special case.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from segibn.errors import SegibnError

_POLL_S = 0.02


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of processes: (0, 1) without torchrun."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process prints and writes files."""
    return rank_and_world()[0] == 0


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the process group of a torchrun launch (NCCL on CUDA, else gloo) for the block."""
    _, world = rank_and_world()
    if world == 1 or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store, rank, world = next(rendezvous("env://"))
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", store=fresh_store(store, rank, world), rank=rank, world_size=world
    )
    try:
        yield
    finally:
        dist.destroy_process_group()


def fresh_store(store: dist.Store, rank: int, world: int, patience_s: float = 600) -> dist.Store:
    """Return a part of a store that holds nothing from processes that are gone; on every rank."""
    # When torchrun starts killed processes again it may give them the store of their predecessors
    # (torch 2.14 does), where the addresses of these still stand: who reads one waits for the dead.
    # So rank 0 calls the roll until all ranks that it names have answered. A rank answers only to a
    # roll that has its own new name, which no predecessor can know.
    name, others = secrets.token_hex(8), [str(n) for n in range(1, world)]
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if rank == 0:
            names = {other: _read(store, f"segibn/name/{other}") for other in others}
            store.set("segibn/roll", json.dumps({**names, "0": name}))
            answers = [_read(store, f"segibn/answer/{other}") for other in others]
            if answers == [name] * len(others):
                return dist.PrefixStore(name, store)
        else:
            store.set(f"segibn/name/{rank}", name)
            roll = json.loads(_read(store, "segibn/roll") or "{}")
            if roll.get(str(rank)) == name:
                store.set(f"segibn/answer/{rank}", roll["0"])
                return dist.PrefixStore(roll["0"], store)
        time.sleep(_POLL_S)
    raise SegibnError(
        f"not all {world} processes of this run came within {patience_s:g} s; see what the others "
        "print, and whether every node can reach the first one"
    )


def _read(store: dist.Store, key: str) -> str:
    return store.get(key).decode() if store.check([key]) else ""


def sum_over_ranks(counts: np.ndarray) -> np.ndarray:
    """Add int64 counts of any shape over all ranks, exactly; on every rank, all get the sum."""
    if not dist.is_initialized():
        return counts
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    tensor = torch.from_numpy(counts.astype(np.int64)).to(device)
    dist.all_reduce(tensor)
    return tensor.cpu().numpy()


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on at least one rank; runs on every rank, all agree."""
    return bool(sum_over_ranks(np.array([int(flag)], dtype=np.int64))[0])


def gather(values: np.ndarray) -> np.ndarray:
    """Gather float64 arrays of one shape, bit by bit, on every rank -> (ranks, *shape)."""
    rank, world = rank_and_world()
    bits = np.zeros((world, *values.shape), dtype=np.int64)
    bits[rank] = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    return sum_over_ranks(bits).view(np.float64)


def barrier() -> None:
    """Wait until every rank is here."""
    if dist.is_initialized():
        dist.barrier()
