"""From the `generalise` section of a config to the augmentation of batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from segibn.augment.copy_paste import CopyPaste
from segibn.augment.fourier import AmplitudeMix, Pasta
from segibn.augment.random_convolution import RandomConvolution
from segibn.config.generalise import GeneraliseConfig
from segibn.errors import ConfigError

Restyle = Callable[[Tensor], Tensor]
Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

THINGS = {
    *("pole", "traffic light", "traffic sign", "sign", "person", "pedestrian", "rider"),
    *("bicyclist", "truck", "bus", "train", "motorcycle", "bicycle"),
}
"""Names, in any of the class schemes, of countable things; without cars, which are not rare."""


def _build_copy_paste(
    class_names: Sequence[str], classes: Sequence[str] | None, count: int, probability: float
) -> CopyPaste:
    if classes is None:
        classes = [name for name in class_names if name in THINGS]
    unknown = [name for name in classes if name not in class_names]
    if unknown or not classes:
        problem = f"no such class: {', '.join(unknown)}" if unknown else "no class is a thing"
        raise ConfigError(
            f"generalise.copy_paste.classes: {problem}; name some of the training's classes: " + ", ".join(class_names)
        )
    return CopyPaste(tuple(sorted({list(class_names).index(name) for name in classes})), count, probability)


RESTYLING: dict[str, Callable[..., Restyle]] = {
    "amplitude_mix": AmplitudeMix,
    "pasta": Pasta,
    "random_convolution": RandomConvolution,
}
"""Section of the config -> what changes the style of images; applied in this order."""

MIXING: dict[str, Callable[..., Mix]] = {"copy_paste": _build_copy_paste}
"""Section of the config -> what changes images and targets together; applied before."""


@dataclass(frozen=True)
class BatchAugmentation:
    """The methods that are on, each in its place."""

    mixing: tuple[Mix, ...]
    restyling: tuple[Restyle, ...]

    def mix(self, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Change (N, 3, H, W) float RGB 0..255 and (N, H, W) train ids; returns new tensors."""
        for change in self.mixing:
            image, target = change(image, target)
        return image, target

    def restyle(self, image: Tensor) -> Tensor:
        """Change the style of (N, 3, H, W) float RGB 0..255; returns a new tensor."""
        for change in self.restyling:
            image = change(image)
        return image


def build_augmentation(config: GeneraliseConfig, class_names: Sequence[str]) -> BatchAugmentation | None:
    """Build what is on; None if nothing is."""
    on = {name: getattr(config, name).model_dump() for name in config.active}
    mixing = tuple(MIXING[name](class_names, **on[name]) for name in MIXING if name in on)
    restyling = tuple(RESTYLING[name](**on[name]) for name in RESTYLING if name in on)
    return BatchAugmentation(mixing, restyling) if mixing or restyling else None
