"""Soft Dice against a loop over pixels."""

import numpy as np
import pytest
from torch import Tensor

from segibn.losses.regions import dice_loss


@pytest.mark.parametrize("smooth", [1.0, 0.25])
def test_dice_is_that_of_a_loop_over_pixels_and_present_classes(batch: tuple[Tensor, Tensor], smooth: float) -> None:
    logits, target = batch
    probability = logits.detach().softmax(1).numpy()
    num_classes = probability.shape[1]
    both, predicted, actual = np.zeros((3, num_classes))
    for n, y, x in np.ndindex(*target.shape):
        train_id = int(target[n, y, x])
        if train_id == 255:
            continue
        actual[train_id] += 1
        both[train_id] += probability[n, train_id, y, x]
        for k in range(num_classes):
            predicted[k] += probability[n, k, y, x]
    costs = [
        1 - (2 * both[k] + smooth) / (predicted[k] + actual[k] + smooth) for k in range(num_classes) if actual[k] > 0
    ]
    assert len(costs) == 3  # one of the four classes is absent
    ours = dice_loss(logits, target, smooth=smooth)
    assert ours.item() == pytest.approx(np.mean(costs), rel=1e-12)
