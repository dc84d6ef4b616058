"""Configs, variants of IBN and seeds -> the trainings of a study."""

import pytest

from segibn.cli.study import main
from segibn.errors import ConfigError
from segibn.runs.study import load_configs, read_axis


def test_a_variant_names_the_run_and_seeds_count_once() -> None:
    found = list(load_configs(["real/camera_ibn"], ["optim.lr=0.1"], [0, 1, 0], ["none", "a", "b"]))
    kinds = [(config.name, config.model.backbone.ibn, config.seed) for config in found]
    assert kinds == [
        *(("camera_none", "none", seed) for seed in (0, 1)),
        *(("camera_ibn", "a", seed) for seed in (0, 1)),
        *(("camera_ibn_b", "b", seed) for seed in (0, 1)),
    ]
    assert {config.optim.lr for config in found} == {0.1}


def test_without_variants_a_config_keeps_its_name_and_network() -> None:
    (own,) = load_configs(["gta5_robustnet"], [], [3])
    assert (own.name, own.seed) == ("gta5_robustnet", 3)
    (other,) = load_configs(["gta5_robustnet"], ["name=mine"], [3], ["ad"])
    assert (other.name, other.model.backbone.ibn) == ("mine_ibn_ad", "ad")


def test_the_variant_is_said_once() -> None:
    words = ["sample_ibn", "--output", "out", "--ibn", "b", "--set", "model.backbone.ibn=a"]
    with pytest.raises(ConfigError, match="say it with --ibn"):
        main(words)


def test_what_only_surgery_has_goes_with_the_variant():
    found = list(load_configs(["real/camera_lite"], (), [0], ["none", "b", "share"]))
    assert [config.name for config in found] == ["camera_lite_none", "camera_lite_ibn_b", "camera_lite_ibn_share"]
    assert [config.model.backbone.ibn_ease for config in found] == [0, 100, 100]
    titles = [config.model.backbone.ibn_title for config in found]
    assert titles == ["none", "b", "share0.3@8:last"]


def test_a_grid_trains_every_combination_and_names_the_run() -> None:
    grid = ["optim.lr=0.01,0.03", "data.crop_size=[256, 512],[64, 64]"]
    found = list(load_configs(["sample_none"], (), [0], grid=grid))
    assert [(config.optim.lr, config.data.crop_size) for config in found] == [
        (lr, size) for lr in (0.01, 0.03) for size in ((256, 512), (64, 64))
    ]
    assert found[0].name == "sample_none_lr0.01_crop_size-256-512"
    assert len({config.name for config in found}) == 4


def test_keys_of_one_axis_change_together() -> None:
    grid = ["data.train.fraction+optim.iterations=0.1+40,1+400"]
    found = list(load_configs(["sample_none"], (), [0, 1], grid=grid))
    kinds = [(config.data.train.fraction, config.optim.iterations, config.seed) for config in found]
    assert kinds == [(0.1, 40, 0), (0.1, 40, 1), (1.0, 400, 0), (1.0, 400, 1)]
    assert found[0].name == "sample_none_fraction0.1"


@pytest.mark.parametrize("text", ["optim.lr", "=1,2", "optim.lr=", "a+b=1,2+3", "optim.lr=[1"])
def test_an_axis_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="grid"):
        read_axis(text)
