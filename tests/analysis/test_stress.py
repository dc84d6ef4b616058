"""Changes of appearance: the paper's on the input, driving's on the pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from painted_scenes.render import render_frame
from segibn.analysis import weather
from segibn.analysis.corruptions import IMAGENET_C
from segibn.analysis.stress import CORRUPTIONS, LEVELS, PAPER, corrupt
from segibn.analysis.weather import DRIVING, NOISE_SIGMAS, motion_blur, noise
from segibn.models.heads.fcn import FCNHead
from segibn.models.plans import IbnPlan
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import Segmenter

# In which nothing is random, or, in exposure, one of two.
PLAIN = {"jpeg", "defocus", "low-resolution", "exposure", "c-defocus-blur", "c-zoom-blur"}
PLAIN |= {f"c-{name}" for name in ("contrast", "brightness", "pixelate", "jpeg-compression")}
GOLDEN = Path(__file__).parents[1] / "golden" / "corruptions.json"


class _Legacy:
    """NumPy's older generator, which the package draws from, under the newer one's names."""

    def __init__(self, seed):
        self._random = np.random.RandomState(seed)
        self.integers, self.random = self._random.randint, self._random.random_sample

    def __getattr__(self, name):
        return getattr(self._random, name)


@pytest.mark.parametrize("name", sorted(set(IMAGENET_C) - {"c-frost"}))
def test_imagenet_c_is_what_its_package_makes(name):
    """Values that imagecorruptions 1.1.2 gave for the same frame and the same random numbers."""
    image = render_frame(5, "camera", "val", 0, (96, 160)).image
    golden = json.loads(GOLDEN.read_text())
    for level in (1, 3, 5):
        # scikit-image has a generator of its own for salt and pepper
        rng = np.random.default_rng(7) if name == "c-impulse-noise" else _Legacy(7)
        found, expected = IMAGENET_C[name](image, level, rng), golden[f"{name}/{level}"]
        assert found.mean() == pytest.approx(expected["mean"], abs=0.05)
        away = np.abs(found.ravel()[::997].astype(int) - expected["values"])
        assert away.max() <= 1, (level, away)


def _segmenter(ibn="none"):
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), IbnPlan(ibn))
    return Segmenter(backbone, FCNHead(backbone.feature_specs, 2, channels=4)).eval()


def _street(height=96, width=160):
    """Return a smooth frame with some texture, in no extreme of brightness."""
    random = np.random.default_rng(5)
    rows = np.linspace(180, 90, height)[:, None, None]
    texture = random.normal(0, 12, (height // 4, width // 4, 3)).repeat(4, 0).repeat(4, 1)
    return np.clip(rows + texture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "offset", "factor"),
    [("RGB+50", (50, 50, 50), 1.0), ("R+50", (50, 0, 0), 1.0), ("contrast-x1.5", (0, 0, 0), 1.5)],
)
def test_the_papers_changes_act_on_the_input_and_clip_nothing(name, offset, factor):
    segmenter = _segmenter()
    images = torch.randint(0, 256, (1, 3, 6, 8), dtype=torch.uint8)
    images[..., 0] = 255
    before = segmenter.normalize(images)
    mean, std = (np.array(values) * 255 for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pixels = images[0].permute(1, 2, 0).numpy().astype(np.float64)
    expected = (pixels + offset - mean) / std * factor
    with PAPER[name].on(segmenter):
        found = segmenter.normalize(images)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(segmenter.normalize(images), before)


def test_the_network_is_as_before_also_after_an_error():
    segmenter = _segmenter()
    images = torch.full((1, 3, 2, 2), 7, dtype=torch.uint8)
    before = segmenter.normalize(images)
    with pytest.raises(RuntimeError), PAPER["RGB+50"].on(segmenter):
        raise RuntimeError
    assert torch.equal(segmenter.normalize(images), before)


def test_ibn_b_does_not_feel_contrast_at_all_and_the_plain_network_does():
    """Table 1 of the paper: IBN-b loses 0.00 points under a spread times 1.5."""
    images = torch.from_numpy(_street()).permute(2, 0, 1)[None]
    changes = {}
    for ibn in ("none", "b"):
        segmenter = _segmenter(ibn)
        with torch.inference_mode():
            plain = segmenter(segmenter.normalize(images)).logits
            with PAPER["contrast-x1.5"].on(segmenter):
                other = segmenter(segmenter.normalize(images)).logits
        changes[ibn] = ((other - plain).abs().max() / plain.abs().max()).item()
    assert changes["b"] < 2e-3  # the epsilon of instance norm is all that is left
    assert changes["none"] > 0.1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_frames_name_and_seed_decide_every_pixel(name):
    image = _street()
    kept = image.copy()
    first = corrupt(name, "frame_1", image)
    corrupt(name, "stra\udcdfe", image)  # a name of bytes that are no text
    np.testing.assert_array_equal(corrupt(name, "frame_1", image), first)
    np.testing.assert_array_equal(image, kept)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    if name not in PLAIN:
        assert (corrupt(name, "frame_2", image) != first).any()
        assert (corrupt(name, "frame_1", image, seed=1) != first).any()


@pytest.mark.parametrize("name", DRIVING)
def test_the_higher_the_level_the_less_of_the_frame_is_left(name):
    """What is left of it, brightness and contrast aside: the correlation with the frame."""
    image = render_frame(5, "camera", "val", 0, (256, 512)).image
    left = []
    for level in LEVELS:
        changed = corrupt(name, "f", image, level=level)
        left.append(np.corrcoef(image.ravel(), changed.ravel())[0, 1])
    assert left[0] < 0.9999
    assert left == sorted(left, reverse=True)


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="level 6"):
        corrupt("fog", "f", _street(), level=6)


def test_distances_are_those_of_a_street():
    """A pinhole camera 1.5 m above a flat road, houses 12 m to each side, 90 m of view."""
    height, width = 1024, 2048
    found = weather.guessed_distance(height, width)
    focal = 1.1 * width
    road = 1.5 * focal / (1023.5 - 0.45 * height)
    assert found[1023, 1024] == pytest.approx(1 / np.hypot(1 / road, 1 / 90), rel=1e-3)
    houses = 12 * focal / 1023.5
    assert found[0, 0] == pytest.approx(1 / np.hypot(1 / houses, 1 / 90), rel=1e-3)
    assert found[300, 1024] == pytest.approx(90, rel=1e-3)


def test_fog_fades_contrast_by_koschmieders_law():
    """Two frames that differ by a known amount everywhere differ by its share that is seen."""
    dark, bright = (np.full((120, 200, 3), value, np.uint8) for value in (60, 160))
    dark[0, ::4] = bright[0, ::4] = 255  # a little of the brightest, so that the air is the same
    dark[::4, ::4] = bright[::4, ::4] = 200
    rngs = [np.random.default_rng(0) for _ in range(2)]
    a, b = (weather.fog(frame, 3, rng) for frame, rng in zip((dark, bright), rngs, strict=True))
    share = (b.astype(float) - a)[1::4, 1::4, 0] / 100
    distance = weather.guessed_distance(120, 200)[1::4, 1::4]
    visibility = -3.0 * distance / np.log(share)
    assert visibility[distance > 15].min() > 0.95 * 150 / 1.3  # patches of 30 % more and less
    assert visibility[distance > 15].max() < 1.05 * 150 / 0.7
    assert np.median(visibility[distance > 15]) == pytest.approx(150, rel=0.2)


def test_noise_is_as_strong_as_it_says():
    grey = np.full((200, 200, 3), 128, np.uint8)
    for level, sigma in zip(LEVELS, NOISE_SIGMAS, strict=True):
        changed = noise(grey, level, np.random.default_rng(0))
        assert changed.astype(float).std() == pytest.approx(sigma, rel=0.03)


def test_motion_keeps_brightness_and_smears_a_point_into_a_line_of_its_length():
    flat = np.full((50, 60, 3), 90, np.uint8)
    np.testing.assert_array_equal(motion_blur(flat, 5, np.random.default_rng(0)), flat)
    point = np.zeros((101, 1000, 3), np.uint8)
    point[50, 500] = 255
    smeared = motion_blur(point, 3, np.random.default_rng(0))[..., 0].astype(int)
    rows, columns = np.nonzero(smeared)
    length = np.hypot(np.ptp(rows), np.ptp(columns))
    assert length == pytest.approx(0.016 * 1000, abs=2.5)


def test_night_is_darker_and_darkest_above_the_road():
    image = np.full((100, 200, 3), 150, np.uint8)
    dark = weather.night(image, 3, np.random.default_rng(0)).astype(float)
    assert dark.mean() < 75
    assert dark[:20].mean() < 0.6 * dark[80:, 70:130].mean()
