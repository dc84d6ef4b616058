"""A pipeline of albumentations from a file: seeded, safe for labels, refused when it is wrong."""

import pickle
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
import yaml

from segibn.data.frame import ArrayFrame
from segibn.data.transforms import TrainTransform
from segibn.data.user_augmentation import UserAugmentation
from segibn.errors import ConfigError

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)
TARGET = RNG.integers(0, 19, (40, 60)).astype(np.uint8)


def _write(folder: Path, *transforms: A.BasicTransform) -> Path:
    path = folder / "augmentation.yaml"
    path.write_text(yaml.safe_dump(A.to_dict(A.Compose(list(transforms)))))
    return path


def test_a_crop_depends_on_its_seed_alone_also_in_another_process(tmp_path: Path) -> None:
    path = _write(tmp_path, A.GaussNoise(p=1.0), A.HorizontalFlip(p=0.5))
    ours = UserAugmentation(path)
    first = [ours(IMAGE, TARGET, seed) for seed in (3, 4)]
    other = pickle.loads(pickle.dumps(ours))
    for seed, (image, target) in zip((3, 4), first, strict=True):
        again = other(IMAGE, TARGET, seed)
        assert np.array_equal(again[0], image)
        assert np.array_equal(again[1], target)
    assert not np.array_equal(first[0][0], first[1][0])


def test_what_a_rotation_draws_in_is_ignored(tmp_path: Path) -> None:
    ours = UserAugmentation(_write(tmp_path, A.OneOf([A.Rotate((45, 45), p=1.0)], p=1.0)))
    _, target = ours(IMAGE, np.full_like(TARGET, 7), 0)
    assert set(np.unique(target)) == {7, 255}
    assert target[0, 0] == 255


def test_it_comes_after_our_own_and_leaves_samples_without_it_as_they_were(tmp_path: Path) -> None:
    plain = TrainTransform((32, 48))
    mirrored = TrainTransform((32, 48), extra=UserAugmentation(_write(tmp_path, A.VerticalFlip(p=1))))
    for seed in range(5):
        image, target = plain(ArrayFrame(IMAGE, TARGET), seed)
        flipped = mirrored(ArrayFrame(IMAGE, TARGET), seed)
        assert np.array_equal(flipped[0], image[::-1])
        assert np.array_equal(flipped[1], target[::-1])


@pytest.mark.filterwarnings("ignore:Transform os.system")
def test_a_wrong_file_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        UserAugmentation(tmp_path / "nowhere.yaml")
    path = tmp_path / "bad.yaml"
    path.write_text("a: &a [x, x]\nb: &b [*a, *a]\nc: [" + "*b, " * 5000 + "]")
    with pytest.raises(ConfigError, match=r"^data\.augmentation_file: .*bad\.yaml .*aliases"):
        UserAugmentation(path)
    path.write_text("transform: {__class_fullname__: os.system}")
    with pytest.raises(ConfigError, match=r"bad\.yaml is no pipeline"):
        UserAugmentation(path)
    smaller = UserAugmentation(_write(tmp_path, A.RandomCrop(10, 10)))
    with pytest.raises(ConfigError, match=r"into \(10, 10, 3\) uint8"):
        smaller(IMAGE, TARGET, 0)
