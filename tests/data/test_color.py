"""Colours change as torchvision defines it, exactly; blur is a Gaussian."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision.transforms.v2 import functional as F

from segibn.data.color import adjust, blur, draw_jitter

TORCHVISION = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
ROUNDING = 0.501
"""Half a grey level, and what float32 adds."""


@pytest.fixture(params=["noise", "street"])
def image(request: pytest.FixtureRequest) -> np.ndarray:
    """Every colour there is, saturated ones too; or a smooth picture of dull colours."""
    rng = np.random.default_rng(0)
    if request.param == "noise":
        return rng.integers(0, 256, (150, 90, 3)).astype(np.uint8)
    y, x = np.mgrid[0:150, 0:90]
    dull = np.stack([90 + y / 2, 95 + y / 3 + x / 9, 100 + x / 2], axis=2)
    return (dull + rng.normal(0, 3, dull.shape)).clip(0, 255).astype(np.uint8)


def _by_torchvision(image: np.ndarray, steps: list[tuple[int, float]]) -> np.ndarray:
    """The float formulas in double precision, in grey levels, not rounded."""
    pixels = torch.from_numpy(image).permute(2, 0, 1).double() / 255
    for number, amount in steps:
        pixels = TORCHVISION[number](pixels, amount)
    return (255 * pixels).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("number", "amounts"),
    [
        (0, (0.0, 0.6, 1.0, 1.4, 2.5)),
        (1, (0.0, 0.5, 1.0, 1.5, 2.0)),
        (2, (0.0, 0.4, 1.0, 1.6, 3.0)),
        (3, (-0.5, -0.1, 0.03, 0.25, 0.5)),
    ],
    ids=["brightness", "contrast", "saturation", "hue"],
)
def test_each_step_is_torchvisions_float_formula_rounded(
    image: np.ndarray, number: int, amounts: tuple[float, ...]
) -> None:
    before = image.copy()
    for amount in amounts:
        difference = adjust(image, [(number, amount)]) - _by_torchvision(image, [(number, amount)])
        assert np.abs(difference).max() < ROUNDING, amount
    np.testing.assert_array_equal(image, before)


def test_errors_do_not_add_up_over_the_steps(image: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    for _ in range(12):
        factors = [*rng.uniform(0.2, 1.8, 3), rng.uniform(-0.5, 0.5)]
        steps = [(int(number), float(factors[number])) for number in rng.permutation(4)]
        difference = adjust(image, steps) - _by_torchvision(image, steps)
        assert np.abs(difference).max() < ROUNDING, steps


def test_amounts_are_uniform_in_torchvisions_ranges() -> None:
    """Grey is scaled by brightness alone; pure red's other channels show the hue."""
    rng = np.random.default_rng(0)
    grey = np.full((1, 1, 3), 100, np.uint8)
    for strength, low, high in ((0.4, 60, 140), (1.5, 0, 250)):
        strengths = (strength, 0, 0, 0)
        drawn = [draw_jitter(strengths, rng) for _ in range(4000)]
        levels = np.array([adjust(grey, steps)[0, 0, 0] for steps in drawn])
        assert (levels.min(), levels.max()) == (low, high)
        assert abs(levels.mean() - (low + high) / 2) < 0.03 * (high - low)
        shares = np.histogram(levels, bins=5, range=(low, high))[0] / len(levels)
        assert np.abs(shares - 0.2).max() < 0.035
    red = np.array([[[255, 0, 0]]], np.uint8)
    drawn = [draw_jitter((0, 0, 0, 0.1), rng) for _ in range(2000)]
    shifted = np.array([adjust(red, steps)[0, 0] for steps in drawn])
    assert shifted[:, 1].max() == shifted[:, 2].max() == 153  # 0.1 turns = 0.6 of a sixth
    assert 0.45 < (shifted[:, 1] > 0).mean() < 0.55


def test_every_order_of_the_steps_comes_as_often_and_amounts_do_not_hang_together() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_jitter((0.9, 0.9, 0.9, 0.4), rng) for _ in range(2400)]
    orders = [tuple(number for number, _ in steps) for steps in drawn]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert 60 < min(counts) <= max(counts) < 140  # 100 expected, four standard deviations
    amounts = np.array([[amount for _, amount in sorted(steps)] for steps in drawn])
    assert np.abs(np.corrcoef(amounts.T) - np.eye(4)).max() < 0.08


def test_no_strength_no_change_and_the_same_numbers_are_drawn(image: np.ndarray) -> None:
    none, some = np.random.default_rng(3), np.random.default_rng(3)
    assert draw_jitter((0, 0, 0, 0), none) == []
    np.testing.assert_array_equal(adjust(image, []), image)
    draw_jitter((0.4, 0.4, 0.4, 0.1), some)
    assert none.uniform() == some.uniform()


@pytest.mark.parametrize("sigma", [0.15, 0.5, 1.15, 3.0])
def test_blur_is_scipys_gaussian(image: np.ndarray, sigma: float) -> None:
    expected = ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="mirror", truncate=4.0)
    assert np.abs(blur(image, sigma) - expected).max() <= 1.5
    assert np.abs(blur(image, sigma) - expected).mean() < 0.5
    np.testing.assert_array_equal(blur(image, 0.1), image)  # narrower than a pixel
