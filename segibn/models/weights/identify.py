"""Which network a state dict belongs to, told from its keys and shapes.

In: the tensors of a file that did not fit. Out: a name and a variant, for the error message.
"""

from collections.abc import Mapping

from torch import Tensor

from segibn.models import densenet, resnet
from segibn.models.plans import IbnName
from segibn.models.residual import BasicBlock, Bottleneck

# A key that no other network has.
_LIGHT = {
    "mobilenet_v2": "features.18.1.weight",
    "shufflenet_v2": "stage2.0.branch1.0.weight",
}


_FIRST = ("layer1.0.conv1.weight", "features.conv0.weight", *_LIGHT.values())


def identify(state: Mapping[str, Tensor]) -> tuple[str, IbnName] | None:
    """Return the backbone's name and IBN variant; None if it is none of this package's.

    Args:
        state: tensors with the keys of a backbone or classifier, behind a prefix or bare.
    """
    prefix = network_prefix(state)
    return _identify({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


def network_prefix(state: Mapping[str, Tensor]) -> str:
    """What stands before the keys of one of this package's networks; "" also where none is."""
    ends = ((key, end) for end in _FIRST for key in state if f".{key}".endswith(f".{end}"))
    return next((first.removesuffix(end) for first, end in ends), "")


def _identify(state: Mapping[str, Tensor]) -> tuple[str, IbnName] | None:
    if {"layer1.0.conv1.weight", "layer1.0.conv2.weight"} <= state.keys():
        return _residual(state)
    if "features.conv0.weight" in state:
        return _dense(state)
    for name, key in _LIGHT.items():
        if key in state:
            return name, "b" if any(k.endswith(".IN.weight") for k in state) else "none"
    return None


def _residual(state: Mapping[str, Tensor]) -> tuple[str, IbnName] | None:
    variant = _residual_variant(state)
    width = state["layer1.0.conv1.weight"].shape[0]
    inputs = state["layer1.0.conv2.weight"].shape[1] // (2 if variant == "c" else 1)
    found = (
        Bottleneck if "layer1.0.conv3.weight" in state else BasicBlock,
        tuple(_count(state, f"layer{stage}.") for stage in (1, 2, 3, 4)),
        (width, inputs),
        "layer1.0.se.fc.0.weight" in state,
    )
    for name, layout in resnet.LAYOUTS.items():
        shape = (layout.base_width * layout.groups, layout.base_width)
        if found == (layout.block, layout.depths, shape, layout.se_reduction is not None):
            return name, variant
    return None


def _residual_variant(state: Mapping[str, Tensor]) -> IbnName:
    """The variant (`plans.py`) by where the instance norms are and how many channels they have."""
    norms = {key.removesuffix(".weight") for key in state if key.endswith(".IN.weight")}
    first = [name for name in norms if name.endswith(".bn1.IN")]
    last = [name for name in norms if name.count(".") == 2]  # layer1.2.IN
    if first:
        block = first[0].removesuffix(".bn1.IN")
        if _channels(state, first[0]) == _channels(state, f"{block}.conv1") and last == []:
            return "c"
        if any(name.endswith(".bn2.IN") for name in norms):
            return "a2"
        return "ad" if last else "a"
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


def _dense(state: Mapping[str, Tensor]) -> tuple[str, IbnName] | None:
    found = (
        state["features.conv0.weight"].shape[0],
        tuple(_count(state, f"features.denseblock{n}.denselayer") for n in (1, 2, 3, 4)),
    )
    split = any(key.endswith(".norm1.IN.weight") for key in state)
    for name, layout in densenet.LAYOUTS.items():
        if found == (layout.stem_channels, layout.depths):
            return name, "a" if split else "none"
    return None


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many different parts follow a prefix: blocks of a stage, layers of a dense block."""
    rest = (key.removeprefix(prefix) for key in state if key.startswith(prefix))
    return len({text.split(".", 1)[0] for text in rest})
