"""Rare classes are cut out of one sample and pasted into another, labels too, in their places.

Whole classes as in ClassMix (WACV 2021, arXiv 2007.07936); things, and without blending, as in
Ghiasi et al. (CVPR 2021, arXiv 2012.07177, section 3).
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from segibn.augment import draw_partners

VALUES = 256  # of a target's pixels: train ids, and 255 for ignored


@dataclass(frozen=True)
class CopyPaste:
    """Fields as in `generalise.copy_paste` of a config."""

    train_ids: tuple[int, ...]
    count: int
    probability: float

    def __call__(self, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Paste into each sample what another one shows; a batch of one stays as it is."""
        partners = draw_partners(len(image), image.device)
        image_there, target_there = image[partners], target[partners]
        pasted = classes_to_paste(target_there, self.train_ids, self.count)
        pasted &= torch.rand(len(image), 1, device=image.device) < self.probability
        mask = pasted.gather(1, target_there.flatten(1).long()).view_as(target)
        image = torch.where(mask[:, None], image_there, image)
        return image, torch.where(mask, target_there, target)


def classes_to_paste(target: Tensor, train_ids: tuple[int, ...], count: int) -> Tensor:
    """Draw for each sample up to `count` of the wanted classes that it shows: (N, 256) bool."""
    shown = torch.zeros(len(target), VALUES, dtype=torch.bool, device=target.device)
    shown.scatter_(1, target.flatten(1).long(), True)
    wanted = _on_device(train_ids, target.device)
    shown_wanted = shown[:, wanted]
    lots = torch.rand(shown_wanted.shape, device=target.device).masked_fill(~shown_wanted, -1.0)
    best = lots.topk(min(count, len(train_ids)), dim=1)
    return torch.zeros_like(shown).scatter_(1, wanted[best.indices], best.values >= 0)


@lru_cache(maxsize=16)
def _on_device(train_ids: tuple[int, ...], device: torch.device) -> Tensor:
    # once: a copy from the host makes it wait for the device
    return torch.tensor(train_ids, device=device)
