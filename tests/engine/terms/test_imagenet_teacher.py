"""The frozen network: the file's, whole and for ever, one for all terms, one pass for a step."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segibn.builders.models import build_segmenter
from segibn.config.load import load_config
from segibn.engine.objective import Trainee
from segibn.engine.terms.feature_distance import ImageNetTeacher, imagenet_teacher
from segibn.errors import ConfigError
from segibn.models.resnet import STAGES

CPU = torch.device("cpu")


def trainee_of(config) -> Trainee:
    return Trainee(build_segmenter(config.model, 2), None, ("dark", "bright"), CPU)


def is_the_file(teacher: ImageNetTeacher, path: Path) -> bool:
    state, own = torch.load(path, weights_only=True), teacher.backbone.state_dict()
    return state.keys() == own.keys() and all(torch.equal(own[key], state[key]) for key in own)


def test_updates_and_a_resume_leave_it_as_the_file_has_it(
    configure, make_updater, batch: dict, teacher_file: Path
) -> None:
    updater = make_updater(configure(("feature_distance", "texture")))
    teacher = updater.objective.terms[0].teacher
    for iteration in range(2):
        updater.update(batch, iteration)
    assert not teacher.backbone.training
    assert is_the_file(teacher, teacher_file)
    trained = updater.model.backbone.conv1.weight
    resumed = make_updater(configure(("feature_distance", "texture")))
    resumed.model.load_state_dict(updater.model.state_dict())
    assert is_the_file(resumed.objective.terms[1].teacher, teacher_file)
    assert not torch.equal(teacher.backbone.conv1.weight, trained)


def test_terms_share_it_and_its_pass_and_forget_it_after_the_step(configure, make_updater, batch: dict) -> None:
    updater = make_updater(configure(("feature_distance", "texture")))
    first, second = (term.teacher for term in updater.objective.terms)
    assert first is second
    passes: list[int] = []
    first.backbone.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    for iteration in range(2):
        updater.update(batch, iteration)
    assert passes == [2, 2]
    gc.collect()
    assert first._features == {}


def test_it_computes_another_image_anew(configure, make_updater, batch: dict) -> None:
    updater = make_updater(configure(("texture",), ("engine.precision=float32",)))
    teacher = updater.objective.terms[0].teacher
    images = [updater.prepare(image) for image in (batch["image"], batch["image"].flip(3))]
    found = [teacher.features(image)["layer4"].clone() for image in images]
    for image, feature in zip(images, found, strict=True):
        expected = teacher.backbone(image)["layer4"]
        assert not feature.requires_grad
        torch.testing.assert_close(feature, expected, rtol=0, atol=0)
    assert not torch.equal(*found)


def test_building_it_changes_no_random_number(configure, teacher_file: Path) -> None:
    config = configure(("texture",))
    trainee, state = trainee_of(config), torch.get_rng_state()
    imagenet_teacher("texture", str(teacher_file), config, trainee)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_plain_networks_file_makes_a_plain_teacher_of_an_ibn_network(
    blocks_config: Path, tmp_path: Path, save_backbone
) -> None:
    config = load_config(blocks_config, ["model.backbone.ibn_stages=[1,2]"])
    path = save_backbone(tmp_path / "plain.pth", seed=3, ibn="none")
    teacher = imagenet_teacher("texture", str(path), config, trainee_of(config))
    assert is_the_file(teacher, path)
    assert not any(isinstance(module, nn.InstanceNorm2d) for module in teacher.backbone.modules())
    image = torch.randn(1, 3, 32, 48)
    shapes = [
        {name: feature.shape for name, feature in backbone(image).items()}
        for backbone in (teacher.backbone, trainee_of(config).model.backbone)
    ]
    assert shapes[0] == shapes[1]
    assert list(shapes[0]) == list(STAGES)


def test_weights_of_the_training_are_its_own_where_no_others_are_named(
    blocks_config: Path, teacher_file: Path, tmp_path: Path, save_backbone
) -> None:
    other = save_backbone(tmp_path / "other.pth", seed=8)
    config = load_config(blocks_config, [f"model.weights={teacher_file}", f"init_from={other}"])
    trainee = trainee_of(config)
    assert is_the_file(imagenet_teacher("texture", None, config, trainee), teacher_file)
    assert is_the_file(imagenet_teacher("texture", str(other), config, trainee), other)


def test_weights_of_another_network_are_refused_with_the_fix(blocks_config: Path, tmp_path: Path) -> None:
    config = load_config(blocks_config)
    path = tmp_path / "wrong.pth"
    torch.save({"conv1.weight": torch.from_numpy(np.zeros((64, 3, 7, 7), np.float32))}, path)
    with pytest.raises(ConfigError, match=r"generalise\.texture.*\n?.*teacher_weights") as failure:
        imagenet_teacher("texture", str(path), config, trainee_of(config))
    assert str(path) in str(failure.value)


@pytest.mark.parametrize("name", ["feature_distance", "texture"])
def test_no_weights_are_refused_before_any_work(name: str, blocks_config: Path) -> None:
    with pytest.raises(ConfigError, match=rf"generalise\.{name}\.teacher_weights .*torchvision"):
        load_config(blocks_config, [f"generalise.{name}={{}}"])
    config = load_config(blocks_config, [f"generalise.{name}={{teacher_weights: torchvision}}"])
    assert config.generalise.active == (name,)
