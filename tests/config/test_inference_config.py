"""Inference configs: the shipped ones, and what a mistaken one says."""

from pathlib import Path

import pytest

from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser
from segibn.config.load import load_config, validate
from segibn.errors import ConfigError
from segibn.inference.config import InferenceConfig, load_inference_config
from segibn.inference.options import InferenceOptions

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "configs" / "inference").glob("*.yaml"))
CONFIG = validate(
    {"name": "x", "data": {"train": {"name": "gta5"}}, "evaluation": {"input_size": [64, 128]}}, source="test"
)


def options_of(*argv):
    parser = VerbParser()
    add_inference_arguments(parser, ensemble=True)
    asked = inference_config(parser.parse_args(argv))
    return asked.options_for(InferenceOptions.as_scored(CONFIG.evaluation), bfloat16=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(
        "window: [32, 48]\nstride: [16, 16]\nblending: gaussian\nscales: [0.5, 1e0]\n"
        "flip: true\ninput_size: native\nbatch_size: 3\nensemble: [runs/b, ../c.pt]\n"
    )
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_config_can_be_meant(path):
    assert options_of("--recipe", str(path)).num_views in (1, 2, 3, 6, 12)


def test_the_ensemble_of_the_challenge_are_networks_that_shipped_configs_train():
    file = load_inference_config(ROOT / "configs/inference/wad_ensemble.yaml")
    assert len(file.ensemble) >= 3
    for run in map(Path, file.ensemble):
        assert run.parent == ROOT / "runs"
        assert load_config(ROOT / "configs" / f"{run.name}.yaml").data.classes in (None, "drivable3")
        assert load_config(ROOT / f"configs/{run.name}.yaml").data.train.name == "bdd100k_drivable"


def test_a_config_says_how_frames_reach_the_network(file):
    options = options_of("--recipe", str(file))
    assert (options.window, options.stride, options.blending) == ((32, 48), (16, 16), "gaussian")
    assert (options.scales, options.flip, options.batch_size) == ((0.5, 1.0), True, 3)
    assert options.input_size is None  # native, not the run's own 64x128
    assert options_of("--recipe", str(FILES[0])).input_size == (64, 128)


def test_the_command_line_replaces_single_values_of_a_config(file):
    more = ("--no-flip", "--scales", "1", "--window", "64x64", "--input-height", "90")
    options = options_of("--recipe", str(file), *more)
    assert (options.flip, options.scales, options.blending) == (False, (1.0,), "gaussian")
    assert options.steps == (42, 42)  # the file's stride belongs to its window
    assert (options.input_size, options.input_height) == (None, 90)


def test_paths_are_relative_to_the_config(file):
    assert load_inference_config(file).ensemble == (str(file.parent / "runs" / "b"), str(file.parent.parent / "c.pt"))


def test_every_mistake_is_listed_with_its_likely_meaning(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("scale: [1.0]\nblending: linear\nscales: []\nwindow: [0, 4]\n")
    with pytest.raises(ConfigError) as caught:
        load_inference_config(path)
    message = str(caught.value)
    assert "scale: unknown key; did you mean 'scales'?" in message
    for part in ("bad.yaml", "blending: ", "scales: ", "window.0: "):
        assert part in message


def test_a_missing_config_names_those_that_are_there(file):
    with pytest.raises(ConfigError, match=r"no config file .*; did you mean .*file\.yaml"):
        load_inference_config(file.with_name("recipes.yaml"))


def test_every_key_of_a_config_is_documented():
    assert all(field.description for field in InferenceConfig.model_fields.values())
