"""Where the norms of any network work: at which stride, and where in its blocks.

One pass over an image tells: what a module is called with and what it returns.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from segibn.models.catalog import Place
from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.share_norm import InstanceShareNorm2d

PIXELS = 128
"""Height and width of the image that a network is shown: whole at stride 64."""

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, InstanceBatchNorm2d, InstanceShareNorm2d)
_STAGES = (4, 8)  # strides at whose end b has an instance norm


@dataclass(frozen=True)
class FoundNorm:
    """A batch norm of a network; a block is a smallest module that has two or more."""

    name: str
    stride: int  # input pixels per pixel of what it normalises
    place: Place
    """stem = before the blocks, at stride 1 or 2; first = after a block's first convolution; last =
    after the last one of its main branch; inner = another one of a block; other = of no block."""


def find_norms(network: nn.Module, pixels: int = PIXELS) -> list[FoundNorm]:
    """Return the batch norms of a network in the order they work in; ValueError if it has none.

    Those that nothing reaches, or a single pixel (after global pooling), are left out.
    """
    return norms_of(record_calls(network, pixels))


def norms_after_convolutions(network: nn.Module, kind: type[nn.Module]) -> list[tuple[str, str]]:
    """Return the names of convolutions and of the norms that read their results, in order; both work only once."""
    calls = record_calls(network, PIXELS)
    times = Counter(call.module for call in calls)
    made = {id(call.result): call for call in calls if isinstance(call.module, nn.Conv2d)}
    pairs = [(made[id(c.given)], c) for c in calls if type(c.module) is kind and id(c.given) in made]
    return [(conv.name, norm.name) for conv, norm in pairs if times[conv.module] == times[norm.module] == 1]


@dataclass(eq=False)
class Call:
    """One module at work; orders count calls and returns alike."""

    name: str
    module: nn.Module
    start: int
    given: Tensor | None
    end: int = 0
    result: Tensor | None = None
    stride_in: int = 0
    stride_out: int = 0

    def is_around(self, other: "Call") -> bool:
        """Whether the other one worked inside it."""
        return self.start < other.start and other.end < self.end


def record_calls(network: nn.Module, pixels: int) -> list[Call]:
    """Run a network on an image, in evaluation mode -> what its modules did, in order of entry."""
    require_norms(network)
    weight = next(network.parameters())
    image = torch.zeros(1, 3, pixels, pixels, device=weight.device, dtype=weight.dtype)
    names = {module: name for name, module in network.named_modules()}
    was_training = {module: module.training for module in names}
    calls: list[Call] = []
    open_calls: list[Call] = []
    clock = itertools.count()

    def stride(tensor: Tensor | None) -> int:
        return 0 if tensor is None else round(pixels / tensor.shape[-2])

    def entering(module: nn.Module, args: tuple[Any, ...]) -> None:
        given = _feature(args)
        calls.append(Call(names[module], module, next(clock), given, stride_in=stride(given)))
        open_calls.append(calls[-1])

    def leaving(module: nn.Module, args: Any, result: Any) -> None:
        call = open_calls.pop()
        call.result, call.end = _feature((result,)), next(clock)
        call.stride_out = stride(call.result)

    handles = [module.register_forward_pre_hook(entering) for module in names]
    handles += [module.register_forward_hook(leaving) for module in names]
    try:
        network.eval()
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in was_training.items():
            module.training = training
    return calls


def require_norms(network: nn.Module) -> None:
    """Raise ValueError for a network without batch norms; it says which norms there are."""
    if not any(isinstance(module, _NORMS) for module in network.modules()):
        kinds = Counter(type(m).__name__ for m in network.modules() if "Norm" in type(m).__name__)
        others = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        raise ValueError(
            f"{type(network).__name__} has no batch norms"
            f"{f' but {others}' if others else ''}: IBN is for convolutional networks that do"
        )


def _feature(values: tuple[Any, ...]) -> Tensor | None:
    """The first (N, C, h, w) among arguments or results."""
    return next((v for v in values if isinstance(v, Tensor) and v.dim() == 4), None)


def norms_of(calls: list[Call]) -> list[FoundNorm]:
    """Find the batch norms among the modules at work, in order; see `find_norms`."""
    at_work = [call for call in calls if isinstance(call.module, _NORMS)]
    inside = {c for c in at_work for outer in at_work if outer.is_around(c)}
    norms: dict[str, Call] = {}
    for call in at_work:
        is_map = call.given is not None and call.given.shape[-2:] != (1, 1)
        if is_map and call not in inside:
            known = norms.setdefault(call.name, call)
            known.stride_in = min(known.stride_in, call.stride_in)
    places = {name: place for block in _blocks(list(norms), calls) for name, place in _places(block, norms, calls)}
    begin = min((norms[name].start for name in places), default=math.inf)
    early = {name for name, call in norms.items() if call.stride_in <= 2 and call.start < begin}
    places = {name: "stem" if name in early else "other" for name in norms} | places
    return [FoundNorm(name, call.stride_in, places[name]) for name, call in norms.items()]


def _blocks(norms: list[str], calls: list[Call]) -> list[Call]:
    """The smallest modules with two norms or more, but one that the image itself enters."""
    counts: Counter[str] = Counter()
    for name in norms:
        parts = name.split(".")
        counts.update(".".join(parts[:depth]) for depth in range(len(parts)))
    several = {name for name, count in counts.items() if count > 1}
    smallest = {b for b in several if not any(o.startswith(f"{b}.") for o in several if b) and b}
    return [call for call in calls if call.name in smallest and call.given is not calls[0].given]


def _places(block: Call, norms: dict[str, Call], calls: list[Call]) -> Iterator[tuple[str, Place]]:
    """The place of each norm of a block."""
    convolutions = {id(call.result): call for call in calls if isinstance(call.module, nn.Conv2d)}
    own = [(name, call) for name, call in norms.items() if block.is_around(call)]
    after = [(name, convolutions[id(c.given)]) for name, c in own if id(c.given) in convolutions]
    first = after[0][0] if after else None
    # A shortcut's convolution reads what the block is given.
    main = [name for name, conv in after[1:] if conv.given is not block.given]
    for name, _ in own:
        yield name, "first" if name == first else "last" if name in main[-1:] else "inner"


def stage_ends(calls: list[Call], finest: int | None) -> list[Call]:
    """The largest modules whose results are the last at each of b's strides."""
    ends: list[Call] = []
    times = Counter(call.module for call in calls)
    for stride in (s for s in _STAGES if finest is None or s <= finest):
        # One that gives a smaller map than it is given, and not one pixel, as gates do.
        coarser = (c for c in calls if c.stride_in == stride < c.stride_out and c.result.shape[-2:] != (1, 1))
        following = next(coarser, None)
        if following is not None:
            before = (c for c in calls if c.result is following.given and c.end < following.start)
            # In order of entry: what is around comes first.
            ends += [c for c in before if times[c.module] == 1][:1]
    return ends
