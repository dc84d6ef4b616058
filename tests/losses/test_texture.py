"""Gram matrices against loops over channels and pixels, and what they do not see."""

import numpy as np
import pytest
import torch

from segibn.losses.feature_distance import gram_distance, gram_matrix


def loop_gram(feature: np.ndarray) -> np.ndarray:
    channels, height, width = feature.shape
    gram = np.zeros((channels, channels))
    for i, j in np.ndindex(channels, channels):
        gram[i, j] = sum(feature[i, y, x] * feature[j, y, x] for y, x in np.ndindex(height, width)) / (height * width)
    return gram


def test_gram_matrix_is_that_of_a_loop_in_either_layout() -> None:
    feature = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4, 3, 5)))
    expected = np.stack([loop_gram(image) for image in feature.numpy()])
    for layout in (torch.contiguous_format, torch.channels_last):
        found = gram_matrix(feature.contiguous(memory_format=layout))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_distance_is_the_mean_of_the_images_frobenius_norms_over_channels() -> None:
    rng = np.random.default_rng(1)
    feature, reference = rng.normal(size=(3, 4, 3, 5)), rng.normal(size=(3, 4, 2, 7))
    norms = [
        np.sqrt(((loop_gram(one) - loop_gram(other)) ** 2).sum()) / 4
        for one, other in zip(feature, reference, strict=True)
    ]
    ours = gram_distance(torch.from_numpy(feature), torch.from_numpy(reference))
    assert ours.item() == pytest.approx(np.mean(norms), rel=1e-12)


def test_places_do_not_matter_and_channels_do() -> None:
    feature = torch.randn(1, 6, 4, 5, generator=torch.Generator().manual_seed(0))
    moved = feature.flatten(2)[:, :, torch.randperm(20)].view_as(feature)
    assert gram_distance(feature, moved).item() == pytest.approx(0, abs=1e-6)
    assert gram_distance(feature, feature.roll(1, dims=1)).item() > 0.1


def test_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    feature = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    reference = torch.randn_like(feature)
    assert torch.autograd.gradcheck(lambda x: gram_distance(x, reference), feature)
