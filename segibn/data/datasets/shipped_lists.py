"""The lists of frames that come with this package, in ``lists/``; each file says its origin."""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from segibn.text import list_entries


@lru_cache
def read_ranges(file: str) -> Mapping[str, frozenset[int]]:
    """Read sets of frame numbers, written in lines ``set first-last number first-last ...``."""
    sets: dict[str, set[int]] = {}
    for line in _lines(file):
        name, *ranges = line.split()
        for words in ranges:
            first, _, last = words.partition("-")
            sets.setdefault(name, set()).update(range(int(first), int(last or first) + 1))
    return {name: frozenset(ids) for name, ids in sets.items()}


@lru_cache
def read_names(file: str) -> frozenset[str]:
    """Read names, one a line."""
    return frozenset(_lines(file))


def _lines(file: str) -> list[str]:
    return list_entries(resources.files("segibn.data").joinpath(f"lists/{file}").read_text("utf-8"))
