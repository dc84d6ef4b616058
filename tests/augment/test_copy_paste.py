"""What is pasted comes from one partner, label and all, and nothing else changes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.augment.copy_paste import CopyPaste, classes_to_paste

SIZE = (6, 9)


@pytest.fixture(params=[torch.int64, torch.uint8], ids=str)
def batch(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Five samples; a pixel's colour says which sample it is from and where it was."""
    place = torch.arange(SIZE[0] * SIZE[1]).view(SIZE).expand(5, -1, -1)
    sample = torch.arange(5).view(5, 1, 1).expand(5, *SIZE)
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 5, (5, *SIZE), generator=generator)
    target[target == 4] = 255
    image = torch.stack([sample, place, target], dim=1).float()
    return image, target.to(request.param)


def test_pasted_pixels_are_one_partners_with_their_labels(batch: tuple[Tensor, Tensor]) -> None:
    image, target = batch
    before = image.clone(), target.clone()
    pairs = set()
    for seed in range(40):
        torch.manual_seed(seed)
        changed, labels = CopyPaste(train_ids=(1, 3), count=1, probability=1.0)(image, target)
        assert (changed.dtype, labels.dtype) == (image.dtype, target.dtype)
        for here in range(5):
            source, place, label = changed[here].long()
            assert torch.equal(place, image[here, 1].long())  # nothing moves
            assert torch.equal(label, labels[here].long())  # pixels keep their labels
            (there,) = set(source.unique().tolist()) - {here}  # a single partner
            pasted = source == there
            assert torch.equal(changed[here][:, ~pasted], image[here][:, ~pasted])
            (train_id,) = labels[here][pasted].unique().tolist()  # a single class, and all of it
            assert train_id in (1, 3)
            assert torch.equal(pasted, target[there] == train_id)
            pairs.add((here, there, train_id))
    assert len(pairs) == 5 * 4 * 2
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (5, 3)])
def test_as_many_classes_as_asked_are_drawn_from_those_shown(count: int, expected: int) -> None:
    target = torch.tensor([[[0, 1, 2, 3, 255]], [[0, 0, 0, 0, 0]], [[7, 7, 255, 255, 255]]])
    torch.manual_seed(0)
    drawn = torch.stack([classes_to_paste(target, (1, 2, 3, 7), count) for _ in range(1200)])
    assert drawn[:, 0].sum(dim=1).unique().tolist() == [expected]
    shares = drawn[:, 0].float().mean(dim=0)
    assert (shares[1:4] - expected / 3).abs().max() < 0.07  # five standard deviations
    assert shares.sum().item() == pytest.approx(expected, abs=1e-4)  # no class but these three
    assert not drawn[:, 1].any()
    assert drawn[:, 2].sum(dim=1).unique().tolist() == [1]
    assert drawn[:, 2, 7].all()


def test_samples_are_pasted_into_by_chance(batch: tuple[Tensor, Tensor]) -> None:
    image, target = batch
    torch.manual_seed(0)
    paste = CopyPaste(train_ids=(0,), count=1, probability=0.3)
    changed = [(paste(image, target)[0] != image).flatten(1).any(1) for _ in range(400)]
    assert abs(np.mean([c.float().mean().item() for c in changed]) - 0.3) < 0.05
    same, labels = CopyPaste(train_ids=(0,), count=1, probability=0.0)(image, target)
    assert torch.equal(same, image)
    assert torch.equal(labels, target)


def test_a_batch_of_one_and_a_batch_without_the_class_stay(batch: tuple[Tensor, Tensor]) -> None:
    image, target = batch
    for train_ids, few in (((1, 3), slice(0, 1)), ((4, 11), slice(0, 5))):
        paste = CopyPaste(train_ids=train_ids, count=2, probability=1.0)
        changed, labels = paste(image[few], target[few])
        assert torch.equal(changed, image[few])
        assert torch.equal(labels, target[few])
