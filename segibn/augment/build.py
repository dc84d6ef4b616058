"""From the ``generalise`` section to the augmentation of batches: names become functions here.

In: the config and the names of the classes. Out: a `BatchAugmentation`, or None if nothing is on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from segibn.config.generalise import GeneraliseConfig

Restyle = Callable[[Tensor], Tensor]
Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

RESTYLING: dict[str, Callable[..., Restyle]] = {}
"""Section of the config -> what changes the look of images; applied in this order."""

MIXING: dict[str, Callable[..., Mix]] = {}
"""Section of the config -> what changes images and targets together; applied before."""


@dataclass(frozen=True)
class BatchAugmentation:
    """The ingredients that are on, each in its place.

    Attributes:
        mixing: change images and targets.
        restyling: change images alone, one after the other.
    """

    mixing: tuple[Mix, ...]
    restyling: tuple[Restyle, ...]

    def mix(self, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Change (N, 3, H, W) float RGB 0..255 and (N, H, W) train ids; returns new tensors."""
        for ingredient in self.mixing:
            image, target = ingredient(image, target)
        return image, target

    def restyle(self, image: Tensor) -> Tensor:
        """Change the look of (N, 3, H, W) float RGB 0..255; returns a new tensor."""
        for ingredient in self.restyling:
            image = ingredient(image)
        return image


def build_augmentation(
    config: GeneraliseConfig, class_names: Sequence[str]
) -> BatchAugmentation | None:
    """Build the augmentation of batches.

    Args:
        config: which ingredients are on, and their settings.
        class_names: of the training, in the order of train ids.

    Raises:
        ConfigError: a class that the training does not have.
    """
    mixing = tuple(
        build(class_names=class_names, **_settings(config, name))
        for name, build in MIXING.items()
        if getattr(config, name) is not None
    )
    restyling = tuple(
        build(**_settings(config, name))
        for name, build in RESTYLING.items()
        if getattr(config, name) is not None
    )
    return BatchAugmentation(mixing, restyling) if mixing or restyling else None


def _settings(config: GeneraliseConfig, name: str) -> dict[str, Any]:
    return getattr(config, name).model_dump()
