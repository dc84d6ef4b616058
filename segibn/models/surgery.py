"""IBN in any network that has batch norms, starting from exactly its pretrained function.

    share   batch norms take a share of each image's own statistics
    a       IBN-a: the norm after the first convolution of each block, on half of the channels
    b       IBN-b: instance norm in the stem, and after the last blocks at strides 4 and 8

Variants: Pan et al., arXiv 1807.09441, section 3.2. Norms and their strides are found by running
the network once. Eased in, all of them start as the batch norm that was there.
"""

import copy
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from segibn.models.catalog import DEFAULT_SHARE, Place
from segibn.models.norm_places import PIXELS, Call, norms_of, record_calls, require_norms, stage_ends
from segibn.models.share_norm import EasedInstanceNorm2d, InstanceShareNorm2d, first_channels

Kind = Literal["a", "b", "share"]

_FOLLOWING = "following_norm"


def add_ibn(
    network: nn.Module,
    kind: Kind,
    *,
    finest: int | None = 8,
    places: Sequence[Place] | None = None,
    share: float = DEFAULT_SHARE,
    ratio: float = 0.5,
    ease: int = 0,
    pixels: int = PIXELS,
) -> list[str]:
    """Give a network IBN in place; its weights stay where they are, under their names.

    Args:
        network: any module with batch norms, of timm or torchvision too, that takes images
            (N, 3, H, W) float. Norms that one does not reach in evaluation stay. Build the
            optimiser afterwards.
        finest: stride up to which norms are replaced; None = all.
        places: which norms take a share, see `norm_places.FoundNorm`; None = all.
        share: of the image's statistics, 0..1, for `kind` share.
        ratio: of instance-normalised channels, the first ones, for `kind` a.
        ease: updates over which the share rises from 0, see `share_norm.set_iteration`.
        pixels: height and width of the image that the network is shown.

    Returns:
        Names of the norms that were replaced, and of the modules that an instance norm follows now.

    ValueError: the network has no batch norms, or none at such a place.
    """
    calls = record_calls(network, pixels)
    norms = [n for n in norms_of(calls) if finest is None or n.stride <= finest]
    ends = stage_ends(calls, finest) if kind == "b" else []
    if kind != "share":
        places = ("first",) if kind == "a" else ("stem",)
    norms = [n for n in norms if places is None or n.place in places]
    if not norms and not ends:
        where = "" if places is None else f" ({', '.join(places)})"
        raise ValueError(
            f"{type(network).__name__} has no batch norms at the places of ibn {kind}{where} up to stride {finest}"
        )
    for found in norms:
        norm = network.get_submodule(found.name)
        values = {"a": first_channels(norm.num_features, ratio), "b": 1.0, "share": share}[kind]
        network.set_submodule(found.name, InstanceShareNorm2d.taking_over(norm, values, ease=ease))
    for end in ends:
        _append_norm(end, ease)
    return [*(n.name for n in norms), *(end.name for end in ends)]


def with_image_share(
    network: nn.Module, share: float, finest: int | None = None, place: Place | None = None
) -> nn.Module:
    """Copy a trained network whose norms, all or those at a place, take a share of the image.

    Self-adaptive normalisation at test time (arXiv 2208.05788, section 3.1). Parameters are those
    of the original, not copied. IBN's batch halves take it too, and norms that have a share.
    """
    require_norms(network)
    copied = copy.deepcopy(network, {id(tensor): tensor for tensor in [*network.parameters(), *network.buffers()]})
    add_ibn(copied, "share", finest=finest, share=share, places=place and (place,))
    return copied


def _append_norm(end: Call, ease: int) -> None:
    module, result = end.module, end.result
    assert result is not None
    norm = EasedInstanceNorm2d(result.shape[1], ease=ease).to(result.device)
    norm.train(module.training)
    if isinstance(module, nn.Sequential):
        module.append(norm)
    elif isinstance(module, nn.ModuleDict | nn.ModuleList):
        raise ValueError(f"ibn b cannot follow {end.name}, which calls all of its parts in turn")
    else:
        module.add_module(_FOLLOWING, norm)
        module.register_forward_hook(_normalized)


def _normalized(module: nn.Module, args: object, result: Tensor) -> Tensor:
    return getattr(module, _FOLLOWING)(result)
