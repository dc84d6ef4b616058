"""The criterion of a training: pixel loss, region losses and the auxiliary head's loss, weighted.

An update may be computed in parts (micro-batches, ranks), which stay equal to the whole::

    normalizer = sum of criterion.normalizer(target) over the micro-batches of this rank
    normalizer = mean of that over the ranks
    for each micro-batch:
        loss, parts = criterion(output, target, normalizer=normalizer, share=1 / micro_batches)
        loss.backward()

Cross-entropy is then exactly the mean over the valid pixels of the global batch, those of a group of
classes among them; region losses and OHEM are averages of what each part gives by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from segibn.labels.label_set import FIRST_GROUP, IGNORE_INDEX
from segibn.losses.cross_entropy import (
    cross_entropy,
    divide_by_weight,
    group_cross_entropy,
    ohem_cross_entropy,
    valid_weight,
)
from segibn.losses.regions import dice_loss, lovasz_softmax

RegionLoss = Callable[[Tensor, Tensor], Tensor]
REGION_LOSSES: Mapping[str, RegionLoss] = {"dice": dice_loss, "lovasz": lovasz_softmax}
"""Key `<name>_weight` of a loss config is the weight, `<name>_<argument>` a further argument."""


class _Output(Protocol):
    """What a segmenter returns in training."""

    # One that can sum plain cross-entropy without full-size logits has a method
    # `summed_cross_entropy(target, class_weights)` that returns the sums of both.
    logits: Tensor  # (N, K, H, W)
    aux_logits: Tensor | None


@dataclass(frozen=True)
class SegmentationLoss:
    """Pixel loss of the main logits, plus region losses of them, plus the auxiliary pixel loss."""

    aux_weight: float = 0.4  # PSPNet's
    class_weights: Tensor | None = None  # (K,), positive, on the device of the targets
    label_smoothing: float = 0.0
    ohem: Mapping[str, float] | None = None  # `threshold` and `min_kept`
    regions: Mapping[str, tuple[float, RegionLoss]] = field(default_factory=dict)  # with factors
    groups: tuple[tuple[int, ...], ...] = ()  # of classes, which train ids from `FIRST_GROUP` on tell together

    def without_groups(self, target: Tensor) -> Tensor:
        """Return a target whose pixels of a group are ignored."""
        return torch.where(target >= FIRST_GROUP, IGNORE_INDEX, target) if self.groups else target

    def normalizer(self, target: Tensor) -> Tensor:
        """What a target contributes to the divisor of cross-entropy, 0-dim."""
        return valid_weight(target, class_weights=self.class_weights)

    def __call__(
        self, output: _Output, target: Tensor, *, normalizer: Tensor | None = None, share: float = 1.0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, or of a `share` (0..1) of an update -> loss, its parts.

        Cross-entropy is divided by `normalizer` (0-dim; None = this batch's own over the share).
        The parts are detached and unweighted: "main", those of `regions` and maybe "aux".
        """
        if normalizer is None and self.ohem is None:
            normalizer = self.normalizer(target) / share
        told, target = target, self.without_groups(target)
        loss, aux = self._pixel_losses(output, target, normalizer, share)
        parts = {"main": loss.detach()}
        for name, (weight, region_loss) in self.regions.items():
            region = share * region_loss(output.logits, target.long())
            parts[name] = region.detach()
            loss = loss + weight * region
        if self.groups and normalizer is not None:
            of_groups = divide_by_weight(group_cross_entropy(output.logits, told, self.groups), normalizer)
            parts["groups"] = of_groups.detach()
            loss = loss + of_groups
        if aux is not None:
            parts["aux"] = aux.detach()
            loss = loss + self.aux_weight * aux
        return loss, parts

    def _pixel_losses(
        self, output: _Output, target: Tensor, normalizer: Tensor | None, share: float
    ) -> tuple[Tensor, Tensor | None]:
        summed = getattr(output, "summed_cross_entropy", None)
        if summed is not None and self.ohem is None and self.label_smoothing == 0:
            sums = summed(target, self.class_weights)
            return tuple(None if s is None else divide_by_weight(s, normalizer) for s in sums)
        target = target.long()  # once for both
        options = {"class_weights": self.class_weights, "label_smoothing": self.label_smoothing}

        def pixel_loss(logits: Tensor) -> Tensor:
            if self.ohem is None:
                return cross_entropy(logits, target, normalizer=normalizer, **options)
            return share * ohem_cross_entropy(logits, target, **self.ohem, **options)

        aux = output.aux_logits
        return pixel_loss(output.logits), None if aux is None else pixel_loss(aux)
