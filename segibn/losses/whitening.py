"""Instance whitening of RobustNet: channels of a normalised feature shall not vary together.

Choi et al., CVPR 2021, arXiv 2103.15597. Covariances (N, C, C) of instance-normalised features are
pushed towards 0: all of them above the diagonal (IW), all down to a mean absolute covariance that
is let pass (IRW), or those that a photometric change of the image moves (ISW).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_Costs = Callable[[np.ndarray, np.ndarray], np.ndarray]


def instance_covariance(normalized: Tensor) -> Tensor:
    """Covariance of channels of mean 0 over pixels: (N, C, h, w) -> (N, C, C), float32."""
    dtype = torch.float64 if normalized.dtype == torch.float64 else torch.float32
    # a copy: what follows in the network may overwrite the input before the backward pass
    values = normalized.to(dtype, copy=True, memory_format=torch.contiguous_format).flatten(2)
    with torch.autocast(values.device.type, enabled=False):
        return values @ values.mT / values.shape[-1]


def off_diagonal(channels: int, device: torch.device | None = None) -> Tensor:
    """The elements strictly above the diagonal, each pair of channels once -> (C, C) bool."""
    return torch.ones(channels, channels, dtype=torch.bool, device=device).triu(diagonal=1)


def whitening_loss(covariance: Tensor, mask: Tensor, margin: float = 0.0) -> Tensor:
    """Mean absolute covariance of the masked (C, C) elements above a margin, mean over images."""
    count = mask.sum().clamp(min=1)
    return ((covariance.abs() * mask).sum((1, 2)) / count - margin).clamp(min=0).mean()


def pair_variance(covariance: Tensor, changed: Tensor) -> Tensor:
    """Variance of two numbers, of an image and its changed form, summed over images: (C, C)."""
    return ((covariance - changed) / 2).square().sum(0)


def sensitive_mask(variance: Tensor, clusters: int = 3, insensitive: int = 1) -> Tensor:
    """The elements above the diagonal whose variance is in no low cluster -> (C, C) bool."""
    # k-means over the whole matrix with zeros on and below its diagonal, as in the authors' code
    # (network/cov_settings.py): these pull the lowest cluster down, so that more is whitened.
    values = variance.detach().cpu().double().triu(diagonal=1)
    ordered = np.sort(values.numpy(), axis=None)
    return ((values > 0) & (values >= ordered[cluster_starts(ordered, clusters)[insensitive]])).to(variance.device)


def cluster_starts(values: np.ndarray, clusters: int) -> np.ndarray:
    """k-means of sorted values, exactly -> the index of each cluster's first value, int64.

    On a line clusters are runs: dynamic programming over their number. The best last start never
    moves left as more values are added, so each round takes O(n log n) (Wang and Song,
    "Ckmeans.1d.dp", The R Journal 3/2, 2011). Of equally good splits the leftmost.
    """
    values = np.asarray(values, dtype=np.float64)
    centred = values - values.mean()  # sums of squares keep more digits
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    squared = np.concatenate([[0.0], np.cumsum(centred**2)])

    def costs(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Sum of squared distances to their mean of the values in ``[start, end)``."""
        total, squares = sums[end] - sums[start], squared[end] - squared[start]
        return np.maximum(squares - total**2 / np.maximum(end - start, 1), 0.0)

    ends = np.arange(len(values) + 1)
    best = costs(np.zeros_like(ends), ends)
    last_starts = []
    for count in range(2, clusters + 1):
        best, starts = _add_cluster(best, costs, count)
        last_starts.append(starts)
    end, found = len(values), [0]
    for starts in reversed(last_starts):
        end = starts[end]
        found.insert(1, end)
    return np.array(found, dtype=np.int64)


def _add_cluster(best: np.ndarray, costs: _Costs, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Least costs of the first j values in `count` clusters, and the last one's start: (n + 1,)."""
    size = len(best) - 1
    new, starts = np.full(size + 1, np.inf), np.zeros(size + 1, dtype=np.int64)
    # Intervals of j whose last start lies between two known ones; all halved at once.
    low_j, high_j = np.array([count]), np.array([size])
    low_i, high_i = np.array([count - 1]), np.array([size - 1])
    while len(low_j):
        middle = (low_j + high_j) // 2
        first, last = low_i, np.minimum(high_i, middle - 1)
        new[middle], starts[middle] = _least(best, costs, middle, first, last)
        chosen = starts[middle]
        halves = (low_j, middle + 1), (middle - 1, high_j), (low_i, chosen), (chosen, high_i)
        low_j, high_j, low_i, high_i = map(np.concatenate, halves)
        is_left = low_j <= high_j
        low_j, high_j, low_i, high_i = (x[is_left] for x in (low_j, high_j, low_i, high_i))
    return new, starts


def _least(
    best: np.ndarray, costs: _Costs, ends: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each end the least ``best[i] + costs(i, end)``, first <= i <= last, and its first i."""
    counts = last - first + 1
    offsets = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(ends)), counts)
    candidates = np.arange(counts.sum()) - offsets[owner] + first[owner]
    totals = best[candidates] + costs(candidates, ends[owner])
    least = np.minimum.reduceat(totals, offsets)
    hits = np.flatnonzero(totals == least[owner])
    _, index = np.unique(owner[hits], return_index=True)
    return least, candidates[hits[index]]
