"""One entry of the config switches a method on; names of classes become train ids."""

import pytest
import torch

from segibn.augment.copy_paste import CopyPaste
from segibn.builders.augment import build_augmentation
from segibn.config.generalise import GeneraliseConfig
from segibn.data.datasets.catalog import scheme_label_set
from segibn.errors import ConfigError

NAMES = ("road", "pole", "car", "person")


def _only_mix(settings: dict[str, object], names: tuple[str, ...] = NAMES) -> CopyPaste:
    built = build_augmentation(GeneraliseConfig.model_validate({"copy_paste": settings}), names)
    assert built is not None
    (mix,) = built.mixing
    assert isinstance(mix, CopyPaste)
    assert built.restyling == ()
    return mix


def test_nothing_is_built_unless_asked_for() -> None:
    assert build_augmentation(GeneraliseConfig(), NAMES) is None


@pytest.mark.parametrize("name", ["amplitude_mix", "pasta", "random_convolution"])
def test_an_empty_section_switches_on_what_changes_images(name: str) -> None:
    built = build_augmentation(GeneraliseConfig.model_validate({name: {}}), NAMES)
    assert built is not None
    image = 255 * torch.rand(4, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(4, 8, 10, dtype=torch.int64)
    torch.manual_seed(1)
    changed = built.restyle(image)
    assert changed.shape == image.shape
    assert changed.dtype == torch.float32
    assert not torch.equal(changed, image)
    assert all(a is b for a, b in zip(built.mix(image, target), (image, target), strict=True))


def test_methods_come_in_one_order_whatever_the_files() -> None:
    names = ("random_convolution", "pasta", "copy_paste", "amplitude_mix")
    built = build_augmentation(GeneraliseConfig.model_validate({n: {} for n in names}), NAMES)
    assert built is not None
    kinds = [type(part).__name__ for part in (*built.mixing, *built.restyling)]
    assert kinds == ["CopyPaste", "AmplitudeMix", "Pasta", "RandomConvolution"]


def test_classes_are_named_and_unknown_ones_are_refused_with_those_there_are() -> None:
    assert _only_mix({"classes": ["person", "pole", "pole"]}).train_ids == (1, 3)
    with pytest.raises(ConfigError, match=r"copy_paste.classes: no such class: rider, lamp; .*car"):
        _only_mix({"classes": ["rider", "pole", "lamp"]})
    with pytest.raises(ConfigError, match=r"no class is a thing.*road, sky"):
        _only_mix({}, ("road", "sky"))


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("cityscapes19", "pole, traffic light, traffic sign, person, rider, truck, bus, train, motorcycle, bicycle"),
        ("camvid11", "pole, sign, pedestrian, bicyclist"),
        ("street11", "pole, sign, person, bicyclist"),
    ],
)
def test_without_names_the_rare_things_of_the_training_are_pasted(scheme: str, expected: str) -> None:
    names = scheme_label_set(scheme).class_names
    train_ids = _only_mix({}, names).train_ids
    assert ", ".join(names[train_id] for train_id in train_ids) == expected
