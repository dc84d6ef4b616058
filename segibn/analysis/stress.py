"""Changes of a set's appearance that networks are put to: the paper's, ImageNet-C's, the road's.

The paper's own change the network's input, where nothing is cut off at 255; corruptions change the
frame's 8-bit pixels. All depend on the frame's name and a seed alone: not on the order of frames,
nor on how many processes share them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segibn.analysis.corruptions import IMAGENET_C, Image
from segibn.analysis.weather import DRIVING
from segibn.inference.network import Network

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class InputShift:
    """A change of the normalised input; nothing is clipped."""

    # The paper does not say so. But it reports that IBN-b loses exactly nothing when the spread is
    # multiplied by 1.5: that holds for a factor on the normalised input, whose zero padding scales
    # along, and neither for 8-bit pixels that saturate nor for a factor about a frame's own mean.
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # added to R, G, B, scale 0..255
    factor: float = 1.0  # on the difference to the normalising mean

    @contextmanager
    def on(self, network: Network) -> Iterator[None]:
        """Change a network's input for the length of the block; anybody's is linear in pixels."""
        plain = network.normalize

        def shifted(images: Tensor) -> Tensor:
            offset = images.new_tensor(self.offset).view(1, 3, 1, 1)
            more = plain(offset) - plain(torch.zeros_like(offset))
            return (plain(images) + more) * self.factor

        network.normalize = shifted  # type: ignore[method-assign]
        try:
            yield
        finally:
            del network.normalize

    def picture(self, image: Image, mean: Sequence[float]) -> Image:
        """Show the change on (H, W, 3) uint8 RGB, clipped; ``mean``: (3,), scale 0..255."""
        changed = (image + np.array(self.offset) - mean) * self.factor + mean
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


PAPER: dict[str, InputShift] = {
    "RGB+50": InputShift(offset=(50.0, 50.0, 50.0)),
    "R+50": InputShift(offset=(50.0, 0.0, 0.0)),
    "contrast-x1.5": InputShift(factor=1.5),
}
"""Table 1 of the paper, without the one that needs a style-transfer network."""
GROUPS = {"paper": tuple(PAPER), "driving": tuple(DRIVING), "imagenet-c": tuple(IMAGENET_C)}
"""Name of a group -> its changes, in the order of tables."""
CORRUPTIONS = DRIVING | IMAGENET_C


def corrupt(name: str, frame: str, image: Image, *, level: int = 3, seed: int = 0) -> Image:
    """Change (H, W, 3) uint8 RGB by a key of ``CORRUPTIONS``, from level 1 (light) to 5 (heavy)."""
    if level not in LEVELS:
        raise ValueError(f"level {level}: there are {LEVELS[0]} to {LEVELS[-1]}")
    digest = hashlib.sha256(f"{seed}/{name}/{frame}".encode(errors="backslashreplace")).digest()
    return CORRUPTIONS[name](image, level, np.random.default_rng(int.from_bytes(digest[:16], "little")))
