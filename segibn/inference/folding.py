"""Batch norms in the convolutions before them: the same function of fewer passes over features, for prediction."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segibn.models.norm_places import PIXELS, norms_after_convolutions

_TOLERANCE = 1e-3  # of the largest logit: rounding stays far below, a result that has another reader far above


def fold_norms(network: nn.Module) -> int:
    """Fold in place, in evaluation mode -> how many norms; 0 where the network is left as it was.

    ``network``: images (1, 3, H, W) float to an object with ``logits``, such as a `Segmenter`. It cannot be trained
    any more.
    """
    if not any(type(module) is nn.BatchNorm2d for module in network.modules()):
        return 0
    pairs = norms_after_convolutions(network, nn.BatchNorm2d)
    before = _shown(network)
    own = {name: network.get_submodule(name) for pair in pairs for name in pair}
    for convolution, norm in pairs:
        network.set_submodule(convolution, fuse_conv_bn_eval(own[convolution], own[norm]))  # type: ignore[type-var]
        network.set_submodule(norm, nn.Identity())
    if (_shown(network) - before).abs().max() <= _TOLERANCE * before.abs().max():
        return len(pairs)
    for name, module in own.items():  # a result of a convolution went elsewhere too
        network.set_submodule(name, module)
    return 0


def _shown(network: nn.Module) -> Tensor:
    parameter = next(network.parameters())
    image = torch.randn(1, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits: Tensor = network(image.to(parameter.device)).logits
    return logits
