"""Hard pixels against a NumPy sort of probabilities."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.losses.cross_entropy import cross_entropy, ohem_cross_entropy

Batch = tuple[Tensor, Tensor]
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64)


def hard_target(logits: Tensor, target: Tensor, threshold: float, min_kept: float) -> Tensor:
    """The target with all but the hard pixels ignored, chosen by sorting probabilities."""
    target = target.numpy()
    valid = target != 255
    probability = logits.detach().softmax(1).numpy()
    index = np.where(valid, target, 0)[:, None]
    true_class = np.take_along_axis(probability, index, axis=1)[:, 0]
    ranked = np.sort(true_class[valid])
    kept = valid & (true_class < threshold)
    fewest = math.ceil(min_kept * len(ranked))
    if kept.sum() < fewest:
        kept = valid & (true_class <= ranked[fewest - 1])
    assert kept.sum() >= fewest
    return torch.from_numpy(np.where(kept, target, 255))


@pytest.mark.parametrize(
    ("threshold", "min_kept", "num_kept"),
    [(0.7, 0.5, 20), (0.1, 0.0, 6), (0.1, 0.5, 11), (0.001, 0.0, 0), (0.001, 0.0625, 2)],
)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_cross_entropy_over_the_hard_pixels(
    batch: Batch, threshold: float, min_kept: float, num_kept: int, weights: Tensor | None, smoothing: float
) -> None:
    logits, target = batch
    hard = hard_target(logits, target, threshold, min_kept)
    assert (hard != 255).sum() == num_kept  # of 22 valid ones
    options = {"class_weights": weights, "label_smoothing": smoothing}
    ours = ohem_cross_entropy(logits, target, threshold=threshold, min_kept=min_kept, **options)
    torch.testing.assert_close(ours, cross_entropy(logits, hard, **options), rtol=1e-12, atol=0)


def test_keeping_all_pixels_is_cross_entropy(batch: Batch) -> None:
    logits, target = batch
    ours = ohem_cross_entropy(logits, target, threshold=0.01, min_kept=1.0)
    torch.testing.assert_close(ours, cross_entropy(logits, target), rtol=1e-12, atol=0)
