"""A network of others as a `Network` of `segibn.inference`.

Legend: N images, K classes, H x W pixels, h x w of the network's own scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segibn.errors import CheckpointError, SegibnError
from segibn.inference import PRECISIONS

Scores = Callable[[nn.Module, Tensor], Tensor]
"""A module, (N, 3, H, W) float as it wants them -> (N, K, h, w)."""


@dataclass(frozen=True)
class Pixels:
    """What a network is to be given of RGB values in 0..255: ``(value * scale - mean) / std``."""

    scale: float = 1.0
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)
    is_bgr: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB -> float32."""
        colors = images.flip(1) if self.is_bgr else images
        mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return (colors.to(torch.float32) * self.scale - mean) / std


PIXELS = {
    "0..255": Pixels(),
    "0..1": Pixels(1 / 255),
    "-1..1": Pixels(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": Pixels(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Word of ``--pixels`` -> what it means; ``imagenet``: 0..1, less the mean, by the spread."""


class OutsideNetwork(nn.Module):
    """A module of others; the scores that it gives are resized as logits are, bilinearly."""

    align_corners = False

    def __init__(
        self,
        module: nn.Module,
        num_classes: int,
        pixels: Pixels,
        scores: Scores = nn.Module.__call__,
        *,
        precisions: Sequence[str] = PRECISIONS,
        gives: Literal["logits", "scores"] = "logits",
        way: str = "",
        keeps_layout: bool = False,
    ) -> None:
        super().__init__()
        self._keeps_layout = keeps_layout
        self.module, self.num_classes, self.pixels = module, num_classes, pixels
        self.precisions, self.gives, self.way = tuple(precisions), gives, way
        self._scores = scores

    def to(self, *args: Any, memory_format: torch.memory_format | None = None, **kwargs: Any) -> "OutsideNetwork":
        """Move as `Module.to`; weights of a network that keeps its layout stay in it."""
        more = {} if memory_format is None or self._keeps_layout else {"memory_format": memory_format}
        return super().to(*args, **more, **kwargs)

    def normalize(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB, or float32 of 0..255 -> float32 as the network was trained on."""
        return self.pixels(images)

    def coarse_logits(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) normalised -> (N, K, h, w); a SegibnError where it refuses the size."""
        try:
            found = self._scores(self.module, image)
        except (torch.OutOfMemoryError, MemoryError, SegibnError):
            raise
        except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as error:
            if "allocate memory" in str(error):
                raise
            size = "{}x{}".format(*image.shape[-2:])
            raise SegibnError(
                f"the network refuses frames of {size} (H x W): {str(error).strip()[:300]}; show "
                "them at another size (--input-size HxW) or in windows (--window HxW)"
            ) from error
        if found.ndim != 4 or found.shape[:2] != (image.shape[0], self.num_classes):
            raise CheckpointError(
                f"the network gives {tuple(found.shape)}, not ({image.shape[0]}, "
                f"{self.num_classes}, h, w): scores of each class that was named"
            )
        return found


@dataclass(frozen=True)
class Outside:
    """What was loaded, and from where."""

    network: nn.Module
    class_names: tuple[str, ...]
    name: str  # such as hf:segformer-b0; no path of a machine
    files: tuple[Path, ...]  # whose content says which weights these are
    options: dict[str, Any]  # of how frames reach it, where the file says so


def plain_names(names: Sequence[str], source: str) -> tuple[str, ...]:
    """Write names as the label tables do: ``Traffic_Light`` -> traffic light."""
    found = tuple(" ".join(name.replace("_", " ").lower().split()) for name in map(str, names))
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise CheckpointError(f"{source}: several classes are called {', '.join(twice[:8])}")
    if not 1 <= len(found) <= 255:
        raise CheckpointError(f"{source}: {len(found)} classes; 1 to 255 fit into a label map")
    return found


def require_names(count: int, given: Sequence[str], source: str) -> tuple[str, ...]:
    """Return the names given for ``count`` classes; CheckpointError: none, or of another number."""
    if len(given) == count:
        return tuple(given)
    said = f"{len(given)} are named" if given else "their names are not in it"
    raise CheckpointError(
        f"{source} has {count} classes, and {said}: --classes FILE gives one name a line, in the "
        "order of its outputs; --classes cityscapes19 those of a known list"
    )
