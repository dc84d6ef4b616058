"""Weights that stand for a network which saw ImageNet, and configs with terms that use them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.builders.sets import build_label_set, index_dataset
from segibn.config.generalise import ObjectiveSections
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.engine.objective import Step
from segibn.engine.precision import autocast
from segibn.engine.train import build_model
from segibn.engine.update import Updater
from segibn.models.backbones import build_backbone


def _save_backbone(path: Path, seed: int, ibn: str = "a") -> Path:
    """Write weights whose running statistics are none of a fresh network's either."""
    torch.manual_seed(seed)
    backbone = build_backbone("resnet18", ibn)
    for _ in range(3):
        backbone.train()(torch.randn(2, 3, 32, 32))
    torch.save(backbone.state_dict(), path)
    return path


@pytest.fixture
def save_backbone():
    """Return a function (path, seed, ibn) that writes a ResNet-18's weights."""
    return _save_backbone


@pytest.fixture
def teacher_file(tmp_path: Path) -> Path:
    """Return a file with a backbone's weights."""
    return _save_backbone(tmp_path / "teacher.pth", seed=7)


@pytest.fixture
def configure(blocks_config: Path, teacher_file: Path):
    """Return a function (names of terms, overrides) -> config that has them."""

    def configure(names: tuple[str, ...], overrides: tuple[str, ...] = ()) -> RunConfig:
        config = load_config(blocks_config, [*overrides, "ema={decay: 0.9}"])
        trees = {name: {} for name in names}
        for name in {"feature_distance", "texture"} & trees.keys():
            trees[name]["teacher_weights"] = str(teacher_file)
        if "feature_distance" in trees:
            trees["feature_distance"] |= {"classes": ["bright"], "weight": 0.5}
        if "mean_teacher" in trees:
            trees["mean_teacher"]["ramp_up_iterations"] = 0
        sections = ObjectiveSections.model_validate(trees)
        # Past the check that views differ in style: here dropout tells them apart.
        update = {name: getattr(sections, name) for name in names}
        return config.model_copy(update={"generalise": config.generalise.model_copy(update=update)})

    return configure


@pytest.fixture
def make_updater(blocks: Path):
    """Return a function config -> updater of a fresh network."""

    def make(config: RunConfig) -> Updater:
        samples = index_dataset(config.data.train, blocks)
        labels = build_label_set(config.data.train, None, samples)
        model = build_model(config, labels, torch.device("cpu"))
        return Updater(config, model, labels.class_names)

    return make


def make_batch(count: int) -> dict:
    """Draw a batch as the loader gives it, with ignored pixels and cells of one class."""
    rng = np.random.default_rng(0)
    target = np.kron(rng.integers(0, 2, (count, 2, 3)), np.ones((1, 16, 16), int)).astype(np.uint8)
    target[:, :5] = 255
    image = 60 + 120 * target[:, None] % 255 + rng.integers(0, 60, (count, 3, 32, 48))
    return {
        "image": torch.from_numpy(image.astype(np.uint8)),
        "target": torch.from_numpy(target),
        "name": [f"frame{index}" for index in range(count)],
    }


@pytest.fixture
def batch() -> dict:
    """Return a batch of two."""
    return make_batch(2)


@pytest.fixture
def step_of():
    """Return a function (updater, batch) -> what a term sees of one training step."""

    def step_of(updater: Updater, batch: dict, iteration: int = 2) -> Step:
        views = updater.objective.views
        plain, target = updater.prepare(batch["image"]), batch["target"]
        styles = [plain * (1 + 0.5 * view) for view in range(views)]
        image = torch.cat(styles).contiguous(memory_format=torch.channels_last)
        with autocast(updater.dtype, updater.device):
            output = updater.model(image)
        return Step(iteration, plain, image, target.repeat(views, 1, 1), output, views)

    return step_of
