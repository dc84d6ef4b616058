"""LoRA: a frozen layer plus a trained update of low rank (Hu et al., arXiv 2106.09685).

Linear layers and 1x1 convolutions compute `W x + (alpha / r) B A x`, B starting at zero.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.errors import CheckpointError

_UPDATE = ("lora_a", "lora_b", "lora_scale")


class LoRA(nn.Module):
    """A linear layer or 1x1 convolution whose weight stays, with an update that is trained."""

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        outputs, inputs = base.weight.shape[:2]
        like = {"device": base.weight.device, "dtype": base.weight.dtype}
        # Gaussian, as in the paper; its spread keeps that of the input.
        self.lora_a = nn.Parameter(torch.empty(rank, inputs, **like))
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank, **like))
        # In the state dict, so that weights can be merged from it alone.
        self.register_buffer("lora_scale", torch.tensor(alpha / rank, **like))
        nn.init.normal_(self.lora_a, std=inputs**-0.5)

    # Some networks read weight and bias instead of calling the layer.
    @property
    def weight(self) -> Tensor:
        """The weight with its update, in the shape of the layer's."""
        return merged_weight(self.base.weight, self.lora_a, self.lora_b, self.lora_scale)

    @property
    def bias(self) -> Tensor | None:
        """The layer's."""
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        """As the layer does: (..., in) -> (..., out), or (N, in, h, w) -> (N, out, h, w)."""
        if isinstance(self.base, nn.Linear):
            update = F.linear(F.linear(x, self.lora_a), self.lora_b)
        else:
            update = F.conv2d(F.conv2d(x, self.lora_a[:, :, None, None]), self.lora_b[:, :, None, None])
        return self.base(x) + update * self.lora_scale


def add_lora(network: nn.Module, rank: int, alpha: float) -> int:
    """Freeze a network, wrap its layers of at least `rank` inputs and outputs; return how many."""
    network.requires_grad_(False)
    found = [name for name, module in network.named_modules() if _is_wrapped(module, rank)]
    for name in found:
        parent, _, leaf = name.rpartition(".")
        owner = network.get_submodule(parent)
        setattr(owner, leaf, LoRA(owner.get_submodule(leaf), rank, alpha))  # type: ignore[arg-type]
    return len(found)


def _is_wrapped(module: nn.Module, rank: int) -> bool:
    # Subclasses compute something else besides, or are read by code that knows them.
    if type(module) is nn.Conv2d:
        plain = module.kernel_size == module.stride == module.dilation == (1, 1)
        if not plain or module.groups != 1 or module.padding not in ((0, 0), "same", "valid"):
            return False
    elif type(module) is not nn.Linear:
        return False
    return min(module.weight.shape[:2]) >= rank


def merged_weight(weight: Tensor, lora_a: Tensor, lora_b: Tensor, scale: Tensor) -> Tensor:
    """`W + scale B A` in the shape of W, (out, in) or (out, in, 1, 1)."""
    return weight + ((lora_b @ lora_a) * scale).view_as(weight)


def has_lora(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict holds updates beside the weights they belong to."""
    return any(key.endswith(".lora_a") for key in state)


@torch.no_grad()
def merged_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of the same network without LoRA; `CheckpointError` for half an update."""
    wrapped = {key.removesuffix(".lora_a") for key in state if key.endswith(".lora_a")}
    merged: dict[str, Tensor] = {}
    for key, value in state.items():
        owner, _, name = key.rpartition(".")
        layer = owner.removesuffix(".base")
        if owner in wrapped and name in _UPDATE:
            continue
        if layer == owner or layer not in wrapped:
            merged[key] = value
            continue
        if name == "weight":
            value = merged_weight(value, *_update_of(state, layer, value))
        merged[f"{layer}.{name}"] = value
    return merged


def _update_of(state: Mapping[str, Tensor], layer: str, weight: Tensor) -> list[Tensor]:
    """The parts of a layer's update, checked first: their product may be of any size."""
    parts = [state.get(f"{layer}.{name}") for name in _UPDATE]
    whole = [part for part in parts if part is not None]
    if len(whole) == len(parts):
        (lora_a, lora_b, scale), rank = whole, len(whole[0]) if whole[0].dim() else 0
        wanted = ((rank, weight[0].numel()), (len(weight), rank), ()) if weight.dim() > 1 else ()
        if tuple(tuple(part.shape) for part in (lora_a, lora_b, scale)) == wanted:
            return whole
    raise CheckpointError(
        f"the LoRA update of {layer} is not whole, or of another shape than its weight; take another checkpoint"
    )


def fitted_state(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict in the form of another network's `own`, with or without LoRA."""
    if has_lora(state) == has_lora(own):
        return dict(state)
    if has_lora(state):
        return merged_state(state)
    wrapped = {key.removesuffix(".lora_a") for key in own if key.endswith(".lora_a")}
    fitted = {}
    for key, value in state.items():
        layer, _, name = key.rpartition(".")
        fitted[f"{layer}.base.{name}" if layer in wrapped else key] = value
    return fitted


def is_update(key: str) -> bool:
    """Whether a state dict's key is one of LoRA's own tensors."""
    return key.rpartition(".")[2] in _UPDATE
