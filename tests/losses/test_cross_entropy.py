"""Cross-entropy against a double loop and against torch's own module."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.losses.cross_entropy import cross_entropy, valid_weight

Batch = tuple[Tensor, Tensor]
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0])


def test_loss_is_the_mean_over_valid_pixels_of_the_whole_batch(batch: Batch) -> None:
    logits, target = batch
    values = logits.detach().numpy()
    costs = []
    for n, y, x in np.ndindex(*target.shape):
        if target[n, y, x] != 255:
            pixel = values[n, :, y, x]
            costs.append(np.log(np.exp(pixel).sum()) - pixel[target[n, y, x]])
    assert cross_entropy(logits, target).item() == pytest.approx(np.mean(costs), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_weights_and_smoothing_are_those_of_torch(batch: Batch, weights: Tensor | None, smoothing: float) -> None:
    logits, target = batch
    theirs = F.cross_entropy(
        logits,
        target.long(),
        weight=None if weights is None else weights.double(),
        ignore_index=255,
        label_smoothing=smoothing,
    )
    ours = cross_entropy(logits, target, class_weights=weights, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_only_the_ratios_of_class_weights_matter(batch: Batch) -> None:
    logits, target = batch
    one = cross_entropy(logits, target, class_weights=WEIGHTS, label_smoothing=0.1)
    other = cross_entropy(logits, target, class_weights=1e-3 * WEIGHTS, label_smoothing=0.1)
    torch.testing.assert_close(one, other)


def test_valid_weight_is_the_sum_of_weights_pixel_by_pixel(batch: Batch) -> None:
    _, target = batch
    ids = [int(value) for value in target.flatten() if value != 255]
    assert valid_weight(target).item() == len(ids)
    weighted = valid_weight(target, class_weights=WEIGHTS)
    assert weighted.item() == sum(WEIGHTS[train_id].item() for train_id in ids)
    assert weighted.dtype == torch.float64
