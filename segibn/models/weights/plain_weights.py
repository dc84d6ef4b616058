"""The weights of a plain network in an IBN one: what goes where.

    split norm (a, ad, a2)      each half takes its channels of the batch norm: weight and bias
                                both, running mean and variance the batch half
    stem's instance norm (b)    weight and bias of the batch norm, if it has any
    norm after an addition      nothing is its counterpart: it starts at weight 1, bias 0

Variant c reads twice as many channels in every second convolution, which no plain network has.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d, ParallelInstanceBatchNorm2d
from segibn.models.weights.state import COUNTER

_AFFINE = ("weight", "bias")
_STATISTICS = ("running_mean", "running_var")


def adapt_plain_weights(state: Mapping[str, Tensor], backbone: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """Cut a plain network's weights to fit an IBN one; return also the keys without a place."""
    adapted, unused = dict(state), []
    for name, module in backbone.named_modules():
        if isinstance(module, InstanceBatchNorm2d):
            unused += _split_norm(adapted, name, module)
        elif isinstance(module, InstanceNorm2d):
            affine = () if module.weight is not None else _AFFINE
            keys = [f"{name}.{part}" for part in (*affine, *_STATISTICS, COUNTER)]
            unused += [key for key in keys if adapted.pop(key, None) is not None]
    return adapted, unused


def _split_norm(state: dict[str, Tensor], name: str, norm: InstanceBatchNorm2d) -> list[str]:
    """Replace a batch norm's entries by those of the two halves; return what had no place."""
    per_channel = [f"{name}.{part}" for part in (*_AFFINE, *_STATISTICS)]
    if any(key in state and state[key].shape != (norm.num_features,) for key in per_channel):
        return []
    unused = []
    for part in (*_AFFINE, *_STATISTICS, COUNTER):
        values = state.pop(f"{name}.{part}", None)
        if values is None:
            continue
        if norm.IN is not None and part in _AFFINE:
            state[f"{name}.IN.{part}"] = values[norm.instance_channels]
        if norm.BN is not None:
            state[f"{name}.BN.{part}"] = values if part == COUNTER else values[norm.batch_channels]
        elif part not in _AFFINE:
            unused.append(f"{name}.{part}")
    return unused


def norms_without_counterpart(backbone: nn.Module) -> set[str]:
    """Keys that a plain network lacks: those of norms after additions."""
    keys = set()
    for name, module in backbone.named_modules():
        if isinstance(module, InstanceNorm2d) and name.endswith(".IN"):
            parent = backbone.get_submodule(name.rpartition(".")[0])
            if not isinstance(parent, InstanceBatchNorm2d | ParallelInstanceBatchNorm2d):
                keys |= {f"{name}.{key}" for key in module.state_dict()}
    return keys
