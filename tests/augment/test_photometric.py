"""Colour jitter and blur of a batch against torchvision, image by image."""

import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from segibn.augment.photometric import (
    PhotometricChange,
    blur,
    change_brightness,
    change_contrast,
    change_saturation,
    shift_hue,
)


@pytest.fixture
def image() -> torch.Tensor:
    torch.manual_seed(0)
    image = torch.rand(3, 3, 20, 24) * 255
    image[0, :, :4] = 77.0  # grey has no hue
    image[1, :, :4] = 0.0
    image[2, 1] = image[2, 0]  # two channels are the greatest at once
    return image


@pytest.mark.parametrize(
    ("ours", "theirs", "amounts"),
    [
        (change_brightness, TF.adjust_brightness, (0.2, 1.0, 1.8)),
        (change_contrast, TF.adjust_contrast, (0.2, 1.0, 1.8)),
        (change_saturation, TF.adjust_saturation, (0.2, 1.0, 1.8)),
        (shift_hue, TF.adjust_hue, (-0.3, 0.0, 0.22)),
    ],
)
def test_each_image_is_changed_by_its_own_amount_as_torchvision_does(ours, theirs, amounts, image) -> None:
    changed = ours(image, torch.tensor(amounts).view(3, 1, 1, 1))
    expected = [theirs(x / 255, amount) * 255 for x, amount in zip(image, amounts, strict=True)]
    torch.testing.assert_close(changed, torch.stack(expected), atol=0.02, rtol=1e-4)


def test_each_image_is_blurred_by_its_own_sigma_as_torchvision_does(image) -> None:
    sigmas = (0.2, 0.7, 1.3)
    changed = blur(image, torch.tensor(sigmas).view(3, 1, 1, 1), radius=4)
    expected = [TF.gaussian_blur(x, [9, 9], [s, s]) for x, s in zip(image, sigmas, strict=True)]
    inner = (..., slice(4, -4), slice(4, -4))  # torchvision mirrors borders
    torch.testing.assert_close(changed[inner], torch.stack(expected)[inner])
    flat = torch.full((1, 3, 2, 2), 9.0)
    torch.testing.assert_close(blur(flat, torch.ones(1), 4), flat)


def test_the_change_stays_in_range_and_follows_the_global_seed(image) -> None:
    change = PhotometricChange()
    torch.manual_seed(1)
    first, other = change(image), change(image)
    torch.manual_seed(1)
    assert torch.equal(change(image), first)
    assert not torch.allclose(first, other)
    for changed in (first, other):
        assert changed.shape == image.shape
        assert changed.min() >= 0
        assert changed.max() <= 255.001
        assert not torch.allclose(changed, image, atol=5)


def test_no_strength_changes_nothing(image) -> None:
    change = PhotometricChange(0.0, 0.0, 0.0, 0.0, (1e-3, 1e-3))
    torch.testing.assert_close(change(image), image, atol=1e-3, rtol=1e-5)
