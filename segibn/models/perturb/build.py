"""From the ``generalise`` section to perturbed features: names become hooks on the backbone here.

In: a backbone and the config. Out: the same backbone, whose named features are perturbed in
training mode. No parameters, buffers or module names are added.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from segibn.config.generalise import GeneraliseConfig
from segibn.errors import ConfigError

Perturbation = Callable[[Tensor], Tensor]

PERTURBATIONS: dict[str, Callable[..., Perturbation]] = {}
"""Section of the config -> what changes a feature; applied in this order."""

_MODULES = {"stem": "maxpool"}


def attach_perturbations(backbone: nn.Module, config: GeneraliseConfig) -> None:
    """Perturb a backbone's features in training mode from now on.

    Args:
        backbone: a residual network; hooks are registered on it.
        config: which ingredients are on; each names its ``layers``: "stem" (after the pooling),
            "layer1" .. "layer4".

    Raises:
        ConfigError: the backbone has no such places.
    """
    for name, build in PERTURBATIONS.items():
        section = getattr(config, name)
        if section is None:
            continue
        perturb = build(**section.model_dump(exclude={"layers"}))
        for layer in section.layers:
            module = _module_of(backbone, layer, name)
            module.register_forward_hook(partial(_perturb, perturb))


def _perturb(perturb: Perturbation, module: nn.Module, inputs: Any, feature: Tensor) -> Tensor:
    return perturb(feature) if module.training else feature


def _module_of(backbone: nn.Module, layer: str, ingredient: str) -> nn.Module:
    """The module whose output is the feature."""
    found = dict(backbone.named_children()).get(_MODULES.get(layer, layer))
    if found is None or "maxpool" not in dict(backbone.named_children()):
        raise ConfigError(
            f"generalise.{ingredient}.layers: {type(backbone).__name__} has no module for {layer}; "
            "features are perturbed in residual networks (resnet, resnext, se_resnet) only"
        )
    return found
