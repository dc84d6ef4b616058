"""Losses: cross-entropy that skips ignored pixels, and its weighted sum with the auxiliary one.

In: logits (N, K, H, W) and targets (N, H, W) of train ids. Out: scalars to minimise, in nats.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

IGNORE_INDEX = 255


class _Output(Protocol):
    """What a segmenter returns in training."""

    logits: Tensor
    aux_logits: Tensor | None


def cross_entropy(logits: Tensor, target: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Mean cross-entropy over the valid pixels of the whole batch.

    Args:
        logits: (N, K, H, W) float.
        target: (N, H, W) train ids 0..K-1 or `ignore_index`, any integer type.
        ignore_index: pixels with this value cost nothing and get no gradient.

    Returns:
        A scalar; 0 with zero gradient when every pixel is ignored.
    """
    target = target.long()
    total = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction="sum")
    # The count stays a tensor: reading it would make the host wait for the device.
    valid = (target != ignore_index).sum().clamp(min=1)
    return total / valid


@dataclass(frozen=True)
class SegmentationLoss:
    """Cross-entropy of the main logits plus, where there are any, of the auxiliary ones.

    Attributes:
        aux_weight: factor of the auxiliary loss (PSPNet: 0.4).
        ignore_index: value of the pixels that do not count.
    """

    aux_weight: float = 0.4
    ignore_index: int = IGNORE_INDEX

    def __call__(self, output: _Output, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of one batch.

        Args:
            output: has `logits` and `aux_logits` (or None), each (N, K, H, W).
            target: (N, H, W) train ids.

        Returns:
            The scalar to minimise, and its unweighted parts ("main", and "aux" where there is
            one) detached, for the log.
        """
        main = cross_entropy(output.logits, target, self.ignore_index)
        parts = {"main": main.detach()}
        if output.aux_logits is None:
            return main, parts
        aux = cross_entropy(output.aux_logits, target, self.ignore_index)
        parts["aux"] = aux.detach()
        return main + self.aux_weight * aux, parts
