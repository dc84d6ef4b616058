"""One set in two, for training and for validation, by the names of its frames.

Each falls by a hash of its sequence, so that frames that are added later move no other one.
"""

import hashlib
import re
from collections.abc import Collection
from typing import Literal

from segibn.errors import DatasetError
from segibn.files.folders import warn_once
from segibn.text import counted, printable

By = Literal["auto", "sequence", "frame"]


def held_out(names: Collection[str], fraction: float, by: By = "auto", seed: int = 0) -> frozenset[str]:
    """Return about a ``fraction`` of the names, to hold out; DatasetError: nothing to split.

    "sequence" keeps frames of one subfolder together, or, without subfolders, those whose names
    differ in the last number alone; "auto" does where there are several sequences.
    """
    units = {name: name for name in names} if by == "frame" else _sequences(names)
    if by == "auto" and len(set(units.values())) < 2:
        units = {name: name for name in names}
    order = sorted(set(units.values()), key=lambda unit: _place(unit, seed))
    if len(order) < 2:
        what = f"{counted(len(names), 'frame')} of one sequence ('{printable(next(iter(names)))}')"
        raise DatasetError(
            f"{what if names else 'no frame'}: nothing to hold out; `by: frame` splits a sequence "
            "too, though neighbours in a video then stand on both sides"
        )
    count = sum(_place(unit, seed) < fraction for unit in order)
    chosen = set(order[: min(max(count, 1), len(order) - 1)])
    found = frozenset(name for name, unit in units.items() if unit in chosen)
    share = len(found) / len(names)
    if not fraction / 2 <= share <= fraction * 2:
        has_sequences = len(order) < len(names)
        what = "sequences" if has_sequences else "frames"
        other = ", or `by: frame`, splits" if has_sequences else " splits"
        warn_once(
            f"held out: {len(found):,} of {counted(len(names), 'frame')} ({len(chosen):,} of "
            f"{len(order):,} {what}), {100 * share:.0f} % instead of {100 * fraction:g} %, as "
            f"{what} are few or unequal; another `seed`{other} otherwise"
        )
    return found


def _sequences(names: Collection[str]) -> dict[str, str]:
    """Return the sequence of each name: its subfolder, or what stands before its last number."""
    # The first level counts on which they differ: several cameras of one drive stay together.
    folders = {name: name.split("/")[:-1] for name in names}
    for level in range(max((len(parts) for parts in folders.values()), default=0)):
        found = {name: "/".join(parts[: level + 1]) for name, parts in folders.items()}
        if len(set(found.values())) > 1:
            return found
    return {name: re.sub(r"\d+$", "", name) for name in names}


def _place(unit: str, seed: int) -> float:
    """-> [0, 1), always the same for a sequence and a seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{unit}".encode("utf-8", "surrogateescape")).digest()[:6]) / 2**48
