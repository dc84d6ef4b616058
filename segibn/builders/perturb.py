"""From the `generalise` section of a config to perturbed features: hooks on the backbone."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from segibn.config.generalise import GeneraliseConfig, MRFPConfig
from segibn.errors import ConfigError
from segibn.models.perturb.efdm import EFDMix
from segibn.models.perturb.mixstyle import MixStyle
from segibn.models.perturb.mrfp import HighResolutionPerturbation, MultiResolutionPerturbation
from segibn.models.perturb.np_plus import NormalizationPerturbation

Perturbation = Callable[[Tensor], Tensor]

_MODULES = {"stem": "maxpool"}


def _alike(perturbation: Callable[..., Perturbation]) -> Callable[[Any], dict[str, Perturbation]]:
    """The same perturbation, of the section's other fields, at each of its layers."""

    def build(section: Any) -> dict[str, Perturbation]:
        return dict.fromkeys(section.layers, perturbation(**section.model_dump(exclude={"layers"})))

    return build


def _mrfp(section: MRFPConfig) -> dict[str, Perturbation]:
    """HRFP and NP+ have each their layers; where both act, HRFP sees the feature before NP+."""
    fine = HighResolutionPerturbation(section.probability, section.channels, section.gain_std)
    adaptive = {"adaptive": True, "adaptive_scale": section.adaptive_scale}
    coarse = NormalizationPerturbation(section.style_probability, section.sigma, **adaptive)
    return {
        layer: MultiResolutionPerturbation(
            fine if layer in section.layers else None, coarse if layer in section.style_layers else None
        )
        for layer in dict.fromkeys((*section.layers, *section.style_layers))
    }


PERTURBATIONS: dict[str, Callable[[Any], dict[str, Perturbation]]] = {
    "mixstyle": _alike(MixStyle),
    "efdm": _alike(EFDMix),
    "np_plus": _alike(NormalizationPerturbation),
    "mrfp": _mrfp,
}
"""Section of the config -> what changes the feature at each place; applied in this order."""


def attach_perturbations(backbone: nn.Module, config: GeneraliseConfig) -> None:
    """Perturb a backbone's features in training mode."""
    for name, build in PERTURBATIONS.items():
        section = getattr(config, name)
        if section is None:
            continue
        for layer, perturb in build(section).items():
            module = dict(backbone.named_children()).get(_MODULES.get(layer, layer))
            if module is None or not hasattr(backbone, "maxpool"):
                raise ConfigError(
                    f"generalise.{name}.layers: {type(backbone).__name__} has no module for "
                    f"{layer}; features are perturbed in residual networks (resnet, resnext, "
                    "se_resnet) only"
                )
            module.register_forward_hook(partial(_perturb, perturb))


def _perturb(perturb: Perturbation, module: nn.Module, inputs: Any, feature: Tensor) -> Tensor:
    return perturb(feature) if module.training else feature
