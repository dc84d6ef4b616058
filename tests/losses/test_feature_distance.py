"""The ImageNet-feature distance and its cells against double loops."""

import numpy as np
import pytest
import torch

from segibn.losses.feature_distance import feature_distance, pure_cells


def loop_over_cells(target: np.ndarray, classes: list[int], stride: int, min_ratio: float) -> np.ndarray:
    images, height, width = target.shape
    rows, columns = -(-height // stride), -(-width // stride)
    pure = np.zeros((images, rows, columns), bool)
    for n, y, x in np.ndindex(images, rows, columns):
        cell = target[n, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
        shares = [(cell == train_id).sum() / stride**2 for train_id in classes]
        pure[n, y, x] = max(shares) >= min_ratio
    return pure


@pytest.mark.parametrize("size", [(12, 20), (13, 18)])
@pytest.mark.parametrize("min_ratio", [0.75, 0.5, 1.0])
def test_cells_are_those_of_a_loop(size: tuple[int, int], min_ratio: float) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.choice([0, 3, 4, 5, 255], (3, 4, 5), p=[0.2, 0.3, 0.2, 0.2, 0.1])
    target = np.kron(coarse, np.ones((1, 4, 4), int))[:, : size[0], : size[1]]
    target = np.pad(target, ((0, 0), (0, size[0] - target.shape[1]), (0, 0)), mode="edge")
    spots = rng.random(target.shape) < 0.2
    target = np.where(spots, rng.choice([0, 3, 4, 255], target.shape), target).astype(np.uint8)
    expected = loop_over_cells(target, [3, 5], 4, min_ratio)
    if min_ratio < 1:
        assert 0 < expected.sum() < expected.size
    for dtype in (torch.uint8, torch.int64):
        found = pure_cells(torch.from_numpy(target).to(dtype), [3, 5], 4, min_ratio)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_two_things_in_a_cell_do_not_add_up() -> None:
    target = torch.tensor([[[1, 1], [2, 2]]])
    assert not pure_cells(target, [1, 2], 2, 0.75).any()
    assert pure_cells(target, [1, 2], 2, 0.5).all()


def test_distance_is_that_of_a_double_loop() -> None:
    rng = np.random.default_rng(1)
    feature, reference = rng.normal(size=(2, 2, 7, 3, 5))
    cells = rng.random((2, 3, 5)) < 0.4
    distances = [
        np.sqrt(sum((feature[n, c, y, x] - reference[n, c, y, x]) ** 2 for c in range(7)))
        for n, y, x in np.ndindex(*cells.shape)
        if cells[n, y, x]
    ]
    ours = feature_distance(*map(torch.from_numpy, (feature, reference, cells)))
    assert ours.item() == pytest.approx(np.mean(distances), rel=1e-12)


def test_cells_that_do_not_count_get_zero_gradient() -> None:
    torch.manual_seed(0)
    feature = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    reference, cells = torch.randn_like(feature), torch.rand(2, 3, 5) < 0.5
    assert torch.autograd.gradcheck(lambda x: feature_distance(x, reference, cells), feature)
    feature_distance(feature, reference, cells).backward()
    assert ((feature.grad != 0).any(1) == cells).all()


def test_without_a_thing_it_costs_nothing() -> None:
    feature = torch.randn(1, 4, 3, 5, requires_grad=True)
    cells = torch.zeros(1, 3, 5, dtype=torch.bool)
    value = feature_distance(feature, torch.zeros(1, 4, 3, 5), cells)
    value.backward()
    assert value.item() == 0
    assert (feature.grad == 0).all()
