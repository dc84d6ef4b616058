"""The shipped configs for unseen domains: they train, and predict like a network without them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from benchmarks.generalisation_plan import SHIFTS, row_overrides
from segibn.builders.augment import MIXING, RESTYLING
from segibn.builders.models import build_segmenter
from segibn.builders.perturb import PERTURBATIONS
from segibn.builders.sets import build_label_set
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.engine.terms.build import TERMS
from segibn.engine.update import Updater
from segibn.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
BASES = {
    "gta5_generalise": "base/gta5",
    "sample_generalise": "base/sample",
    "real/camera_generalise": "real/base/camera",
    "real/day_night_generalise": "real/base/day_night",
}
OF_SHIFT = {"sample": "sample_generalise", "camera": "real/camera_generalise", "day_night": "real/day_night_generalise"}
SMALL = (
    *("model.weights=none", "model.backbone.name=resnet18"),
    *("optim.global_batch_size=2", "engine.precision=float32"),
)
SIZE = (96, 128)


@pytest.fixture(params=BASES)
def config(request: pytest.FixtureRequest) -> RunConfig:
    return load_config(request.param, SMALL)


def class_names(config: RunConfig) -> tuple[str, ...]:
    return build_label_set(config.data.train, config.data.classes, []).class_names


def make_updater(config: RunConfig) -> Updater:
    names = class_names(config)
    torch.manual_seed(0)
    return Updater(config, build_segmenter(config.model, len(names)).train(), names)


def hooks_of(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_there_are_no_others() -> None:
    found = {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*generalise.yaml")}
    assert {f"{name}.yaml" for name in BASES} == found


def test_every_method_of_a_config_is_at_work(config: RunConfig) -> None:
    updater, active = make_updater(config), set(config.generalise.active)
    assert active
    whole = updater.augmentation
    counts = (len(whole.mixing), len(whole.restyling)) if whole else (0, 0)
    assert counts == (len(active & MIXING.keys()), len(active & RESTYLING.keys()))
    assert {term.name for term in updater.objective.terms} == active & TERMS.keys()
    plain = hooks_of(build_segmenter(config.model, 3))
    assert (hooks_of(updater.model) > plain) == bool(active & PERTURBATIONS.keys())


def test_a_config_takes_updates_and_leaves_no_trace_in_the_network(config: RunConfig) -> None:
    updater = make_updater(config)
    rng = np.random.default_rng(0)
    batch = {
        "image": torch.from_numpy(rng.integers(0, 256, (2, 3, *SIZE), dtype=np.uint8)),
        "target": torch.from_numpy(rng.integers(0, 3, (2, *SIZE), dtype=np.uint8)),
        "name": ["a", "b"],
    }
    for iteration in (0, config.optim.iterations // 2):
        loss, _ = updater.update(batch, iteration).read()
        assert np.isfinite(loss)
    trained = updater.predicting_model.eval()
    plain = build_segmenter(config.model, len(class_names(config))).eval()
    plain.load_state_dict(trained.state_dict())  # the same keys
    image = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(trained(image).logits, plain(image).logits)


@pytest.mark.parametrize(("name", "base"), BASES.items())
def test_a_config_is_scored_like_the_base_it_is_compared_with(name: str, base: str) -> None:
    shipped, plain = load_config(name), load_config(base)
    assert shipped.evaluation == plain.evaluation
    assert (shipped.data.train.name, shipped.data.val) == (plain.data.train.name, plain.data.val)
    assert plain.generalise.active == ()
    if name in OF_SHIFT.values():  # and has seen as much
        seen = [run.optim.global_batch_size * run.optim.iterations for run in (shipped, plain)]
        assert seen[0] == seen[1]


@pytest.mark.parametrize(("shift", "name"), OF_SHIFT.items())
def test_a_config_is_that_of_the_experiment(shift: str, name: str) -> None:
    shipped = load_config(name)  # the experiment trains on smaller frames, and for a shorter time
    same = (f"name={shipped.name}", f"optim.iterations={shipped.optim.iterations}")
    assert load_config(BASES[name], [*row_overrides(SHIFTS[shift], "combined"), *same]) == shipped


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ("feature_distance", {"teacher_weights": "torchvision"}),
        ("texture", {"teacher_weights": "torchvision"}),
        ("whitening", {}),
        ("np_plus", {}),
    ],
)
def test_what_a_backbone_of_timm_cannot_have_is_refused(section: str, setting: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "timm.yaml"
    model = {"backbone": {"name": "timm", "model": "test_vit"}, "head": {"name": "linear"}}
    tree = {"data": {"train": {"name": "gta5"}}, "model": model, "generalise": {section: setting}}
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match=rf"^generalise\.{section}"):
        make_updater(load_config(path))
