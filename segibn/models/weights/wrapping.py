"""The network in a file of weights, wherever keys end like the network's.

Programs nest a state dict ("state_dict", "model", ...) and prefix its keys ("module.", ...).
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segibn.errors import CheckpointError
from segibn.models.lora import has_lora, merged_state
from segibn.models.weights.state import COUNTER, FORMAT, naming
from segibn.models.weights.tensor_check import LONGEST_KEY, check_tensors
from segibn.text import printable

_Nest = tuple[str, ...]  # keys of the file that lead to a state dict
_MOST_DEPTH = 3
_AVERAGE = re.compile(r"(?:^|[._])ema(?:$|[._])", re.IGNORECASE)
# torchvision's DenseNet files are older than its code: "norm.1" is "norm1" there now.
_OLD_DENSE = re.compile(r"(\bdenselayer\d+\.(?:norm|conv))\.([12])\.")


@dataclass(frozen=True)
class Found:
    """A network found in a file."""

    state: dict[str, Tensor]  # by the network's keys
    others: tuple[str, ...]  # keys beside it, outside of its prefix
    nest: _Nest
    prefix: str  # what was taken off the keys; ends in a dot, or is empty

    @property
    def place(self) -> str:
        """The same in words; empty for a bare state dict."""
        parts = [f"under {printable('.'.join(self.nest))}"] if self.nest else []
        parts += [f"behind the prefix {printable(self.prefix)}"] if self.prefix else []
        return f" ({', '.join(parts)})" if parts else ""


def find_network(content: Mapping[str, Any], known: Collection[str], path: Path) -> Found:
    """Find the one place where the keys are a network's; else the largest state dict, as it is.

    A moving average gives way to the weights that it is of; `CheckpointError` for several networks.
    """
    if content.get("format") == FORMAT and isinstance(content.get("model"), Mapping):
        content = {"model": content["model"]}  # beside it may be the weights that it averages
    nests = dict(_nests(content, set()))
    for nest, state in nests.items():
        if has_lora(state):  # checked first: its updates are multiplied out
            check_tensors(state, str(path))
            with naming(path):
                nests[nest] = merged_state(state)
    if not nests:
        keys = ", ".join(printable(key)[:80] for key in list(content)[:4])
        raise CheckpointError(
            f"{path} holds no tensors{f', but {keys}' if keys else ''}. It takes a network's "
            "state_dict(), bare or under a key such as state_dict or model"
        )
    known = {key for key in known if not key.endswith(COUNTER)}
    counted = _count(nests, known)
    root = next(iter(known)).partition(".")[0] + "."
    if not counted and all(key.startswith(root) for key in known):
        # All of DenseNet and MobileNetV2 is `features`, which people save alone.
        counted = _count(nests, {key.removeprefix(root) for key in known})
        for nest, prefix in counted:
            nests[nest] = {
                f"{prefix}{root}{key.removeprefix(prefix)}" if key.startswith(prefix) else key: v
                for key, v in nests[nest].items()
            }
    if not counted:
        nest = max(nests, key=lambda name: (not _AVERAGE.search(".".join(name)), len(nests[name])))
        return _found(nests, nest, _wrapper(nests[nest]))
    most = max(counted.values())
    rivals = [place for place, count in counted.items() if 2 * count >= most]
    trained = [place for place in rivals if not _AVERAGE.search(".".join((*place[0], place[1])))]
    first, *rest = [_found(nests, *place) for place in trained or rivals]
    if any(not _are_equal(first.state, other.state) for other in rest):
        places = "; ".join(other.place.strip(" ()") or "bare" for other in (first, *rest))
        raise CheckpointError(
            f"{path} holds several networks of this kind: {places}. Save the one that you mean as "
            "a file of its own: torch.save(network.state_dict(), FILE)"
        )
    return first


def _nests(content: Any, seen: set[int], name: _Nest = ()) -> Iterator[tuple[_Nest, dict[str, Tensor]]]:
    """Yield the dicts that hold tensors under texts, each once, and the keys that lead to them."""
    if id(content) in seen:
        return
    seen.add(id(content))
    state = {
        _OLD_DENSE.sub(r"\1\2.", key): value
        for key, value in content.items()
        if isinstance(value, Tensor) and isinstance(key, str) and len(key) <= LONGEST_KEY
    }
    if state:
        yield name, state
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, Mapping) and len(name) < _MOST_DEPTH:
            yield from _nests(value, seen, (*name, key))


def _count(nests: Mapping[_Nest, Mapping[str, Tensor]], known: Collection[str]) -> dict[tuple[_Nest, str], int]:
    """Places, a state dict and a prefix, where keys are the network's, and how many."""
    # More than half of the keys there, or of the network's: its parts resemble each other.
    counted = {}
    for nest, state in nests.items():
        keys = [key for key in state if not key.endswith(COUNTER)]
        found: Counter[str] = Counter()
        for key in keys:
            starts = [0, *(index + 1 for index, char in enumerate(key) if char == ".")]
            found.update(key[:start] for start in starts if key[start:] in known)
        for prefix, count in found.items():
            if 2 * count > min(len(known), sum(key.startswith(prefix) for key in keys)):
                counted[nest, prefix] = count
    return counted


def _wrapper(state: Mapping[str, Tensor]) -> str:
    """What torch puts before every key of a parallel and of a compiled network."""
    for name in ("module.", "_orig_mod."):
        if all(key.startswith(name) for key in state):
            return name + _wrapper({key.removeprefix(name): v for key, v in state.items()})
    return ""


def _found(nests: Mapping[_Nest, Mapping[str, Tensor]], nest: _Nest, prefix: str) -> Found:
    state = nests[nest]
    own = {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
    return Found(own, tuple(key for key in state if not key.startswith(prefix)), nest, prefix)


def _are_equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        value is second[key] or torch.equal(value, second[key]) for key, value in first.items()
    )
