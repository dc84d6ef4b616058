"""Which network a state dict belongs to, told from its keys and shapes, for error messages."""

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from segibn.models.catalog import BACKBONES, family_of

Signature = Mapping[str, tuple[int, ...]]


def identify(state: Mapping[str, Tensor]) -> tuple[str, str, str] | None:
    """Name and IBN variant of a backbone or classifier, and its keys' prefix; None = unknown."""
    for name in BACKBONES:
        own = _signature_of(name)
        first = next(iter(own))
        for prefix in {key.removesuffix(first) for key in state if f".{key}".endswith(f".{first}")}:
            found = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            if _signature(found, {key.split(".")[0] for key in own}) == own:
                return name, _variant(name, found), prefix
    return None


@cache
def _signature_of(name: str) -> Signature:
    from segibn.models.backbones import build_backbone  # which loads weights itself

    with torch.device("meta"):
        network = build_backbone(name)
    stages = network.stages_of_parameters()
    return _signature(network.state_dict(), {k.split(".")[0] for k, stage in stages.items() if stage})


def _signature(state: Mapping[str, Tensor], parts: set[str]) -> Signature:
    """Outputs and kernels of the layers in some parts; IBN changes nothing but layers' inputs."""
    return {
        key: (value.shape[0], *value.shape[2:])
        for key, value in state.items()
        if key.endswith(".weight") and value.dim() > 1 and key.split(".")[0] in parts
    }


def _variant(name: str, state: Mapping[str, Tensor]) -> str:
    """The variant (`plans.py`) by where the instance norms are and how many channels they have."""
    family = family_of(name)
    if family.module != "resnet":
        return family.ibn[any(".IN." in f".{key}" for key in state)]
    norms = {key.removesuffix(".weight") for key in state if key.endswith(".IN.weight")}
    first = [name for name in norms if name.endswith(".bn1.IN")]
    last = [name for name in norms if name.count(".") == 2]  # layer1.2.IN
    if first:
        block = first[0].removesuffix(".bn1.IN")
        if _channels(state, first[0]) == _channels(state, f"{block}.conv1") and last == []:
            return "c"
        return "a2" if any(name.endswith(".bn2.IN") for name in norms) else "ad" if last else "a"
    if last:
        block = last[0].removesuffix(".IN")
        final = "conv3" if f"{block}.conv3.weight" in state else "conv2"
        return "b" if _channels(state, last[0]) == _channels(state, f"{block}.{final}") else "d"
    has_stem = "conv1.weight" in state or "conv1.0.weight" in state
    if has_stem and not any(key.startswith(("bn1.", "conv1.1.")) for key in state):
        return "b"  # whose norms have no weights: nothing of them is in a state dict
    return "none"


def _channels(state: Mapping[str, Tensor], module: str) -> int | None:
    weight = state.get(f"{module}.weight")
    return None if weight is None else weight.shape[0]
