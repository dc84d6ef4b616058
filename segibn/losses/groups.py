"""Cross-entropy of pixels known to be of one of several classes (Bevandic et al., arXiv 2108.11224)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segibn.labels.label_set import FIRST_GROUP, IGNORE_INDEX
from segibn.losses import in_float32


@in_float32
def group_cross_entropy(logits: Tensor, target: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Sum over the pixels of a group, `FIRST_GROUP` + g, of `-log sum_{k in groups[g]} p_k`; 0-dim.

    Logits (N, K, H, W), target (N, H, W) integer; other pixels cost nothing.
    """
    if target.device.type == "cpu":  # where looking is free: frames of other sets have none
        told = ((target >= FIRST_GROUP) & (target != IGNORE_INDEX)).flatten(1).any(1)
        logits, target = logits[told], target[told]
    every = logits.logsumexp(1)
    total = 0 * logits.sum()
    for number, members in enumerate(groups):
        cost = every - logits[:, list(members)].logsumexp(1)
        total = total + torch.where(target == FIRST_GROUP + number, cost, 0).sum()
    return total
