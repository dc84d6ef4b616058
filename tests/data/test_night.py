"""A night takes the light of the sky and keeps the road's; the labels stay."""

import numpy as np
import pytest

from segibn.builders.loader import build_transform
from segibn.config.data import DataConfig
from segibn.data.frame import ArrayFrame
from segibn.data.night import Night
from segibn.errors import ConfigError

SKY, ROAD = 10, 0
CLASSES = ["road", *(f"class {n}" for n in range(1, 10)), "sky"]


@pytest.fixture(scope="module")
def frame() -> tuple[np.ndarray, np.ndarray]:
    """(80, 160): a bright sky with a blurred edge that no label names, above a grey road."""
    target = np.full((80, 160), ROAD, np.uint8)
    target[:38], target[38:41] = SKY, 255
    image = np.full((80, 160, 3), 110, np.uint8)
    image[:41] = (190, 215, 240)
    return image, target


def test_the_sky_is_darker_than_the_road_by_night(frame: tuple[np.ndarray, np.ndarray]) -> None:
    image, target = frame
    night, before, levels = Night(1.0, SKY), image.copy(), []
    for seed in range(60):
        changed = night(image, target, np.random.default_rng(seed))
        assert (changed.dtype, changed.shape) == (np.uint8, image.shape)
        # Medians: lamps and noise are few and small.
        levels.append([np.median(changed[rows]) for rows in (slice(0, 36), slice(39, 41), slice(60, 80))])
    sky, edge, road = np.array(levels).T
    assert (sky < road).mean() > 0.9  # by day the sky is twice as bright as the road
    assert 4 < sky.mean() < 15
    assert sky.max() < 40
    assert (edge < 130).all()  # no bright line is left between the two
    assert road.mean() < 100
    assert np.ptp(road) > 40  # nights differ
    np.testing.assert_array_equal(image, before)


def test_what_the_labels_call_sky_loses_its_light_and_nothing_else_does(frame: tuple[np.ndarray, np.ndarray]) -> None:
    image, target = frame
    night, no_sky = Night(1.0, SKY), np.zeros_like(target)
    darker = []
    for seed in range(20):
        with_sky, without = (night(image, one, np.random.default_rng(seed)) for one in (target, no_sky))
        np.testing.assert_array_equal(with_sky[45:], without[45:])
        darker.append(np.median(with_sky[:36]) < np.median(without[:36]))
    assert np.mean(darker) > 0.9


def test_a_config_makes_nights_of_its_share_and_labels_stay(frame: tuple[np.ndarray, np.ndarray]) -> None:
    data = {"train": {"name": "cityscapes"}, "crop_size": [80, 160], "scale_range": [1, 1]}
    plain = build_transform(DataConfig.model_validate(data), class_names=CLASSES)
    some = build_transform(DataConfig.model_validate(data | {"night_probability": 0.3}), class_names=CLASSES)
    is_night = []
    for seed in range(200):
        (day, labels), (image, same) = (one(ArrayFrame(*frame), seed) for one in (plain, some))
        np.testing.assert_array_equal(labels, same)
        is_night.append(not np.array_equal(day, image))
    assert 0.2 < np.mean(is_night) < 0.4


def test_classes_without_a_sky_have_no_night() -> None:
    data = DataConfig.model_validate({"train": {"name": "bdd100k_drivable"}, "night_probability": 0.5})
    with pytest.raises(ConfigError, match=r"data\.night_probability 0\.5: a night needs a class 'sky'.*background"):
        build_transform(data, class_names=["background", "direct", "alternative"])
