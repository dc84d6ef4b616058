"""Transforms of albumentations named in the config: images and labels aligned, seeded, checked."""

import pickle

import numpy as np
import pytest

from segibn.config.data import DataConfig
from segibn.data.user_augmentation import UserAugmentation
from segibn.errors import ConfigError

pytest.importorskip("albumentations")

SPATIAL = [
    {"HorizontalFlip": {"p": 1.0}},
    {"VerticalFlip": {"p": 1.0}},
    {"Transpose": {"p": 0.5}},
    {"Affine": {"rotate": [-30, 30], "p": 1.0, "interpolation": 0, "mask_interpolation": 0}},
    {"Perspective": {"p": 1.0, "interpolation": 0, "mask_interpolation": 0}},
    {"ElasticTransform": {"p": 1.0, "interpolation": 0, "mask_interpolation": 0}},
    {"GridDistortion": {"p": 1.0, "interpolation": 0, "mask_interpolation": 0}},
]
APPEARANCE = [
    {"OneOf": {"transforms": [{"HueSaturationValue": {}}, {"CLAHE": {}}], "p": 1.0}},
    {"GaussNoise": {"p": 1.0}},
]


@pytest.mark.parametrize("one", SPATIAL, ids=lambda one: next(iter(one)))
def test_spatial_transforms_move_image_and_label_alike(one: dict) -> None:
    """The image says in its pixels what the label says: after nearest resampling they must agree."""
    label = np.random.default_rng(0).integers(1, 19, (8, 8), np.uint8).repeat(8, 0).repeat(8, 1)
    change = UserAugmentation([one])
    for seed in range(5):
        image, target = change(np.stack([label] * 3, 2), label, seed)
        inside = target != 255
        assert inside.mean() > 0.2
        assert np.array_equal(image[..., 0][inside], target[inside])


def test_a_seed_decides_all_and_workers_build_the_same_pipeline() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    target = np.zeros((32, 32), np.uint8)
    change = UserAugmentation([*SPATIAL[3:4], *APPEARANCE])
    one, other = change(image, target, 7), pickle.loads(pickle.dumps(change))(image, target, 7)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(one[0], change(image, target, 8)[0])


def test_appearance_leaves_labels_alone() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    target = np.random.default_rng(1).integers(0, 19, (32, 32), np.uint8)
    changed, same = UserAugmentation(APPEARANCE)(image, target, 3)
    assert np.array_equal(same, target)
    assert not np.array_equal(changed, image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [{"HorizontalFlop": {}}],
            r"data\.augmentation\.0: albumentations has no transform 'HorizontalFlop'; did you mean 'HorizontalFlip'",
        ),
        ([{"HorizontalFlip": {"p": 3}}], r"data\.augmentation\.0: HorizontalFlip: "),
        ([{"HorizontalFlip": {"q": 0.5}}], r"data\.augmentation\.0: HorizontalFlip: .*q"),
        ([{"a": {}, "b": {}}], r"one transform and its values each"),
        ([{"OneOf": {"transforms": [{"nothing": {}}]}}], r"data\.augmentation\.0\.OneOf: albumentations has no"),
        ([{"os": {}}], r"no transform 'os'"),
    ],
)
def test_a_mistake_names_its_place(given: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UserAugmentation(given)


def test_a_transform_that_changes_the_size_is_refused() -> None:
    change = UserAugmentation([{"RandomCrop": {"height": 8, "width": 8}}])
    with pytest.raises(ConfigError, match=r"data\.augmentation: it turns a crop of \(32, 32, 3\)"):
        change(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8), 0)


def test_the_config_takes_transforms_or_a_file() -> None:
    with pytest.raises(ValueError, match="augmentation or augmentation_file, not both"):
        DataConfig(train={"name": "gta5"}, augmentation=({"HorizontalFlip": {}},), augmentation_file="a.yaml")
