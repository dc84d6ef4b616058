from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.losses import SegmentationLoss, cross_entropy

K = 4


class Output(NamedTuple):
    logits: Tensor
    aux_logits: Tensor | None


def _batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, K, 3, 5, generator=generator, requires_grad=True)
    target = torch.randint(0, K, (2, 3, 5), generator=generator)
    target[0, 0] = 255
    target[1, :, 2] = 255
    return logits, target


def test_loss_is_the_mean_over_valid_pixels_of_the_whole_batch() -> None:
    logits, target = _batch()
    values = logits.detach().double().numpy()
    costs = []
    for n, y, x in np.ndindex(2, 3, 5):
        if target[n, y, x] != 255:
            pixel = values[n, :, y, x]
            costs.append(np.log(np.exp(pixel).sum()) - pixel[target[n, y, x]])
    assert cross_entropy(logits, target).item() == pytest.approx(np.mean(costs), abs=1e-6)


def test_ignored_pixels_get_zero_gradient() -> None:
    logits, target = _batch()
    cross_entropy(logits, target).backward()
    ignored = (target == 255)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).all()


def test_what_is_predicted_on_ignored_pixels_does_not_matter() -> None:
    logits, target = _batch()
    changed = torch.where((target == 255)[:, None], logits + 100 * torch.randn(2, K, 3, 5), logits)
    torch.testing.assert_close(cross_entropy(changed, target), cross_entropy(logits, target))


def test_an_all_ignored_batch_costs_nothing_and_has_zero_gradient() -> None:
    logits, target = _batch()
    loss = cross_entropy(logits, torch.full_like(target, 255))
    loss.backward()
    assert loss.item() == 0.0
    assert (logits.grad == 0).all()


def test_targets_may_be_bytes_as_the_loader_gives_them() -> None:
    logits, target = _batch()
    assert torch.equal(cross_entropy(logits, target.to(torch.uint8)), cross_entropy(logits, target))


def test_another_ignore_index_is_honoured() -> None:
    logits, target = _batch()
    moved = torch.where(target == 255, -1, target)
    assert torch.equal(cross_entropy(logits, moved, -1), cross_entropy(logits, target))


def test_auxiliary_loss_is_added_with_its_weight() -> None:
    logits, target = _batch()
    aux, _ = _batch(1)
    total, parts = SegmentationLoss(aux_weight=0.4)(Output(logits, aux), target)
    expected = cross_entropy(logits, target) + 0.4 * cross_entropy(aux, target)
    torch.testing.assert_close(total, expected)
    assert parts["main"] == cross_entropy(logits, target)
    assert parts["aux"] == cross_entropy(aux, target)
    assert not any(part.requires_grad for part in parts.values())


def test_without_auxiliary_logits_the_main_loss_is_all() -> None:
    logits, target = _batch()
    total, parts = SegmentationLoss()(Output(logits, None), target)
    assert torch.equal(total, cross_entropy(logits, target))
    assert list(parts) == ["main"]
