"""Lovasz-softmax against the definition of the Lovasz extension, with sets of pixels."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.losses.regions import jaccard_growth, lovasz_softmax


def jaccard_loss(truth: set[int], wrong: set[int]) -> float:
    """1 - IoU when exactly the pixels in `wrong` are classified wrongly."""
    predicted = truth ^ wrong
    return 1 - len(truth & predicted) / len(truth | predicted)


def lovasz_extension(errors: np.ndarray, truth: set[int]) -> float:
    """Errors in falling order, each times the growth of the Jaccard loss when its pixel joins."""
    total, wrong = 0.0, set()
    for pixel in sorted(range(len(errors)), key=lambda i: -errors[i]):
        before = jaccard_loss(truth, wrong)
        wrong.add(pixel)
        total += errors[pixel] * (jaccard_loss(truth, wrong) - before)
    return total


def test_loss_is_the_lovasz_extension_of_the_jaccard_loss(batch: tuple[Tensor, Tensor]) -> None:
    logits, target = batch
    valid = (target != 255).numpy()
    train_ids = target.numpy()[valid]
    costs = []
    for k in range(logits.shape[1]):
        probability = logits.detach().softmax(1)[:, k].numpy()[valid]
        errors = np.where(train_ids == k, 1 - probability, probability)
        truth = set(np.flatnonzero(train_ids == k).tolist())
        if truth:
            costs.append(lovasz_extension(errors, truth))
    assert len(costs) == 3  # one of the four classes is absent
    assert lovasz_softmax(logits, target).item() == pytest.approx(np.mean(costs), rel=1e-12)


def test_of_hard_predictions_it_is_one_minus_the_mean_iou() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 3, (2, 8, 8), generator=generator)
    pred = torch.randint(0, 3, (2, 8, 8), generator=generator)
    ious = [((target == k) & (pred == k)).sum() / ((target == k) | (pred == k)).sum() for k in range(3)]
    logits = 80.0 * torch.nn.functional.one_hot(pred, 3).permute(0, 3, 1, 2)
    assert lovasz_softmax(logits, target).item() == pytest.approx(1 - sum(ious).item() / 3)


def test_growth_in_float32_keeps_its_digits_with_a_million_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    error = torch.rand(1_000_000, generator=generator)
    truth = torch.rand(1_000_000, generator=generator) < 0.3
    growth = jaccard_growth(error, truth, torch.ones_like(truth)).double().numpy()
    order = np.argsort(-error.numpy(), kind="stable")
    sorted_truth = truth.numpy()[order].astype(np.int64)
    remaining = sorted_truth.sum() - np.cumsum(sorted_truth)
    jaccard = 1 - remaining / (sorted_truth.sum() + np.cumsum(1 - sorted_truth))
    np.testing.assert_allclose(growth[order], np.diff(jaccard, prepend=0), rtol=2e-7, atol=2e-16)
    assert growth.sum() == pytest.approx(1)
