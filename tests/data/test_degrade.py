"""Noise is Gaussian, compression is OpenCV's codec, and what is off draws nothing."""

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import norm

from segibn.builders.loader import build_transform
from segibn.config.data import DataConfig
from segibn.data.color import Degradation, add_noise, compress
from segibn.data.frame import ArrayFrame, Arrays
from segibn.data.transforms import IGNORE_INDEX, PAD_COLOR, TrainTransform


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """(90, 120, 3) uint8: smooth, with some texture."""
    y, x = np.mgrid[0:90, 0:120]
    smooth = np.stack([60 + y, 40 + x, 250 - y - x], axis=2)
    rng = np.random.default_rng(0)
    return (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.3, 2.0, 15.0])
def test_noise_is_a_rounded_normal_and_no_pattern(sigma: float) -> None:
    grey = np.full((150, 200, 3), 128, np.uint8)
    noise = add_noise(grey, sigma, np.random.default_rng(1)).astype(float) - 128
    levels = np.arange(-60, 62)
    expected = np.diff(norm.cdf(levels - 0.5, scale=sigma))
    shares = np.histogram(noise, bins=levels - 0.5)[0] / noise.size
    assert np.abs(shares - expected).max() < 5 * np.sqrt(0.25 / noise.size)
    beside = (noise[1:] * noise[:-1], noise[:, 1:] * noise[:, :-1], noise[..., 1:] * noise[..., :-1])
    assert max(abs(products.mean()) for products in beside) < 0.02 * noise.var()
    np.testing.assert_array_equal(add_noise(grey, 0.0, np.random.default_rng(1)), grey)


def test_noise_stops_at_black_and_white_and_leaves_its_input() -> None:
    for level in (0, 255):
        flat = np.full((50, 50, 3), level, np.uint8)
        noisy = add_noise(flat, 30.0, np.random.default_rng(0))
        assert 0.45 < (noisy == level).mean() < 0.55  # the half that would leave the range
        assert (flat == level).all()


@pytest.mark.parametrize("quality", [5, 40, 95])
def test_compression_is_the_codecs_round_trip(image: np.ndarray, quality: int) -> None:
    before = image.copy()
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    expected = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(compress(image, quality), expected)
    np.testing.assert_array_equal(image, before)


def test_noise_comes_before_compression_each_by_chance(image: np.ndarray) -> None:
    small = np.ascontiguousarray(image[:8, :8])
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(1000):
        seed = int(rng.integers(2**32))
        changed = Degradation((5.0, 9.0), (20, 21), 0.4)(small, np.random.default_rng(seed))
        same = np.random.default_rng(seed)
        expected = small
        if noisy := same.uniform() < 0.4:
            expected = add_noise(expected, same.uniform(5.0, 9.0), same)
        if compressed := same.uniform() < 0.4:
            expected = compress(expected, int(same.integers(20, 22)))
        np.testing.assert_array_equal(changed, expected)
        kinds.append((noisy, compressed))
    for kind, share in (((True, True), 0.16), ((True, False), 0.24), ((False, False), 0.36)):
        assert abs(kinds.count(kind) / 1000 - share) < 0.06


def test_both_ends_of_the_quality_range_occur(image: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    degrade = Degradation(None, (10, 12), 1.0)
    drawn = [degrade(image, rng) for _ in range(60)]
    for quality in (10, 11, 12):
        assert any(np.array_equal(changed, compress(image, quality)) for changed in drawn)


def test_what_is_off_draws_nothing(image: np.ndarray) -> None:
    """The seed that comes after the colours is the same as ever."""
    target, seeds = image[..., 0] % 19, []

    def keep(image: np.ndarray, target: np.ndarray, seed: int) -> Arrays:
        seeds.append(seed)
        return image, target

    settings = {"color_jitter": (0.4, 0.4, 0.4, 0.1), "blur_sigma": (0.2, 1.0), "extra": keep}
    plain = TrainTransform((64, 64), **settings)
    off = TrainTransform((64, 64), **settings, degradation=Degradation(None, None, 1.0))
    for seed in range(5):
        for a, b in zip(plain(ArrayFrame(image, target), seed), off(ArrayFrame(image, target), seed), strict=True):
            np.testing.assert_array_equal(a, b)
    assert seeds[::2] == seeds[1::2]


def test_a_config_switches_it_on_and_neither_targets_nor_padding_change(image: np.ndarray) -> None:
    data = {"train": {"name": "cityscapes"}, "crop_size": [128, 128], "scale_range": [0.8, 1.0]}
    target = image[..., 0] % 19
    plain = build_transform(DataConfig.model_validate(data))
    on = {"noise_sigma": [4, 8], "jpeg_quality": [20, 60], "degrade_probability": 1.0}
    degraded = build_transform(DataConfig.model_validate(data | on))
    for seed in range(3):
        expected, same_target = plain(ArrayFrame(image, target), seed)
        changed, labels = degraded(ArrayFrame(image, target), seed)
        np.testing.assert_array_equal(labels, same_target)
        inside = labels != IGNORE_INDEX
        assert (changed[~inside] == PAD_COLOR).all()
        assert (changed[inside] != expected[inside]).mean() > 0.7
        np.testing.assert_array_equal(changed, degraded(ArrayFrame(image, target), seed)[0])


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("noise_sigma", [5, 2], r"noise_sigma \(5.0, 2.0\): give \[low, high\]"),
        ("jpeg_quality", [60, 20], r"jpeg_quality \(60, 20\): give \[low, high\]"),
        ("jpeg_quality", [0, 20], "greater than or equal to 1"),
        ("jpeg_quality", [20, 101], "less than or equal to 100"),
        ("noise_sigma", [-1, 2], "greater than or equal to 0"),
    ],
)
def test_impossible_ranges_are_refused(key: str, value: list[float], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        DataConfig.model_validate({"train": {"name": "cityscapes"}, key: value})
