"""RobustNet's checkpoints (Choi et al., CVPR 2021) as networks of this package, and back.

Its DeepLabV3+ with a ResNet: baseline, IBN (our variant b), or ISW (b without weight and bias).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from segibn.errors import CheckpointError
from segibn.models.weights.state import FORMAT
from segibn.models.weights.tensor_check import check_tensors
from segibn.models.weights.wrapping import find_network

Variant = Literal["base", "ibn", "isw"]

# RobustNet's module -> ours, longest first where one begins another.
_MODULES = {
    "aspp.features": "head.aspp.branches",
    "aspp.img_conv": "head.aspp.image_pool",
    "bot_aspp": "head.aspp.merge",
    "bot_fine": "head.low_level",
    "final1.0": "head.refine.0.0",
    "final1.1": "head.refine.0.1",
    "final1.3": "head.refine.1.0",
    "final1.4": "head.refine.1.1",
    "final2.0": "head.classifier",
    "dsn.0": "aux_head.conv.0",
    "dsn.1": "aux_head.conv.1",
    "dsn.4": "aux_head.classifier",
    **{f"layer{stage}": f"backbone.layer{stage}" for stage in (1, 2, 3, 4)},
}
_PLAIN_STEM = {"layer0.0": "backbone.conv1", "layer0.1": "backbone.bn1"}
_DEEP_STEM = {f"layer0.{i}": f"backbone.conv1.{i}" for i in (0, 1, 3, 4, 6)}
_DEEP_STEM["layer0.7"] = "backbone.bn1"
_DEPTHS = {6: ("resnet50", 16), 23: ("resnet101", 8)}
BACKBONES = tuple(name for name, _ in _DEPTHS.values())
_BLOCK_NORMS = {"layer1.2.IN": 256, "layer2.3.IN": 512}
_DSN_BIAS = "dsn.0.bias"
_DSN_MEAN = "dsn.1.running_mean"
_KNOWN = {"layer0.0.weight", "bot_aspp.0.weight", "final2.0.weight"}
# Without these nothing can be rearranged; what else is missing shows when the network is filled.
_NEEDED = ("aspp.img_conv.0.weight", "bot_fine.0.weight", "bot_aspp.0.weight", "final1.0.weight")


@dataclass(frozen=True)
class RobustNetKind:
    """What the keys of a checkpoint tell."""

    backbone: str
    variant: Variant
    deep_stem: bool
    output_stride: int
    num_classes: int

    def model_config(self) -> dict[str, Any]:
        """The `model` section of the config that builds the equal network."""
        return {
            "backbone": {
                "name": self.backbone,
                "ibn": "none" if self.variant == "base" else "b",
                "ibn_affine": self.variant != "isw",
                "output_stride": self.output_stride,
                "stem": "conv3x3" if self.deep_stem else "conv7x7",
                "dilate_first": True,
            },
            "head": {"name": "deeplabv3plus", "init": "kaiming_fan_in"},
            "aux_head": {"channels": 512, "dropout_unit": "channel", "init": "kaiming_fan_in"},
            "align_corners": True,
            "weights": "none",
        }


def plain_state(content: Mapping[str, Any], path: Path) -> dict[str, Tensor] | None:
    """The network's tensors in a RobustNet checkpoint, checked; None if it is something else."""
    if content.get("format") == FORMAT:
        return None
    plain = find_network(content, _KNOWN, path).state
    if not plain.keys() >= _KNOWN:
        return None
    check_tensors(plain, str(path))
    return plain


def inspect(state: Mapping[str, Tensor]) -> RobustNetKind:
    """Tell which of RobustNet's networks a state dict belongs to; `CheckpointError` for others."""
    if not state["final2.0.weight"].dim():
        raise CheckpointError("final2.0.weight is a single number, no classifier of RobustNet")
    blocks = len({key.split(".")[1] for key in state if key.startswith("layer3.")})
    if blocks not in _DEPTHS or "layer3.0.conv3.weight" not in state:
        raise CheckpointError(
            f"a RobustNet network with {blocks} blocks in layer3; only its ResNet-50 (6) and "
            "ResNet-101 (23) can be converted"
        )
    backbone, output_stride = _DEPTHS[blocks]
    if "layer1.2.instance_norm_layer.weight" in state:
        variant: Variant = "ibn"
    else:
        variant = "base" if "layer0.1.running_mean" in state else "isw"
    num_classes = state["final2.0.weight"].shape[0]
    return RobustNetKind(backbone, variant, "layer0.3.weight" in state, output_stride, num_classes)


def from_robustnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and rearrange RobustNet's tensors into those of the equal `Segmenter`."""
    absent = [key for key in _NEEDED if key not in state or state[key].dim() != 4]
    if absent or len({value.shape for value in folded(state).values()}) > 1:
        raise CheckpointError(
            "no RobustNet network, or not the whole of it: "
            f"{', '.join(absent) or _DSN_BIAS} missing or of another shape"
        )
    modules = _modules(inspect(state))
    ours = {
        _renamed(key.replace("instance_norm_layer", "IN"), modules): value
        for key, value in state.items()
        if key != _DSN_BIAS
    }
    _swap_inputs(ours, "head.aspp.merge.0.weight", state["aspp.img_conv.0.weight"].shape[0])
    _swap_inputs(ours, "head.refine.0.0.weight", state["bot_fine.0.weight"].shape[0])
    if parts := folded(state):
        ours["aux_head.conv.1.running_mean"] = parts[_DSN_MEAN] - parts[_DSN_BIAS]
    return ours


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The bias before the auxiliary head's batch norm, and its mean, which is less by it here."""
    parts = {key: state[key] for key in (_DSN_BIAS, _DSN_MEAN) if key in state}
    return parts if len(parts) == 2 else {}


def to_robustnet(
    ours: Mapping[str, Tensor], kind: RobustNetKind, parts: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The inverse of `from_robustnet`; `CheckpointError` for ISW with weights in its norms."""
    # Exact with the `parts` that were `folded`; else, or once trained, the auxiliary bias is zero.
    modules = {new: old for old, new in _modules(kind).items()}
    state = dict(ours)
    for name, channels in _instance_norms(kind).items():
        weight, bias = f"backbone.{name}.weight", f"backbone.{name}.bias"
        one, zero = torch.ones(channels), torch.zeros(channels)
        if kind.variant == "ibn":  # a norm without them computes the same as with 1 and 0
            state.setdefault(weight, one)
            state.setdefault(bias, zero)
        elif (state.pop(weight, one) != 1).any() or (state.pop(bias, zero) != 0).any():
            raise CheckpointError(
                f"{name} has a weight other than 1 or a bias other than 0, which ISW cannot hold; "
                "convert to --variant ibn"
            )
    _swap_inputs(state, "head.aspp.merge.0.weight", -state["head.aspp.image_pool.0.weight"].shape[0])
    _swap_inputs(state, "head.refine.0.0.weight", -state["head.low_level.0.weight"].shape[0])
    theirs = {_renamed(key, modules): value for key, value in state.items()}
    theirs = {key.replace(".IN.", ".instance_norm_layer."): value for key, value in theirs.items()}
    if _DSN_MEAN in theirs:
        if parts and torch.equal(theirs[_DSN_MEAN], parts[_DSN_MEAN] - parts[_DSN_BIAS]):
            theirs |= parts
        else:
            theirs[_DSN_BIAS] = torch.zeros_like(theirs[_DSN_MEAN])
    return theirs


def _modules(kind: RobustNetKind) -> dict[str, str]:
    return _MODULES | (_DEEP_STEM if kind.deep_stem else _PLAIN_STEM)


def _renamed(key: str, modules: Mapping[str, str]) -> str:
    for old, new in modules.items():
        if key.startswith(f"{old}."):
            return new + key.removeprefix(old)
    raise CheckpointError(f"no place for {key} in a DeepLabV3+ with a ResNet")


def _swap_inputs(state: dict[str, Tensor], key: str, count: int) -> None:
    """Move the first `count` input channels behind the others; negative moves the last ahead."""
    state[key] = torch.roll(state[key], -count, dims=1)


def _instance_norms(kind: RobustNetKind) -> dict[str, int]:
    """Instance norms and their channels, by our names."""
    if kind.variant == "base":
        return {}
    return ({"conv1.1": 64, "conv1.4": 64} if kind.deep_stem else {"bn1": 64}) | _BLOCK_NORMS
