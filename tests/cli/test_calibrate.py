"""A temperature: fitted as a grid would, and used in confidences alone."""

import numpy as np
import pytest
import torch
import yaml

from segibn.cli import evaluate
from segibn.cli.calibrate import main
from segibn.errors import ConfigError
from segibn.files.writing import read_json
from segibn.runs.calibrate import fit


def _nll(logits, targets, temperature):
    z = logits / temperature
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(targets)), targets].mean()


@pytest.mark.parametrize("stretch", [0.2, 1.0, 4.0])
def test_the_temperature_is_that_of_the_smallest_loss(stretch):
    random = np.random.default_rng(0)
    logits = random.normal(size=(5000, 7)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (probabilities.cumsum(axis=1) > random.random((5000, 1))).argmax(axis=1)
    found = fit(torch.from_numpy(logits * stretch), torch.from_numpy(targets))
    grid = np.geomspace(0.05, 20, 3001)
    best = grid[np.argmin([_nll(logits * stretch, targets, t) for t in grid])]
    assert found.value == pytest.approx(best, rel=3e-3)
    assert found.value == pytest.approx(stretch, rel=0.1)  # targets were drawn at 1
    assert found.before == pytest.approx(_nll(logits * stretch, targets, 1.0))
    assert found.after == pytest.approx(_nll(logits * stretch, targets, best), abs=1e-6)


def test_a_recipe_with_it_changes_confidences_and_nothing_else(make_run, datasets, tmp_path, capsys):
    run, recipe = str(make_run("camvid", "camvid11")), tmp_path / "t.yaml"
    argv = [run, "--datasets", str(datasets), "--device", "cpu"]
    assert main([*argv, "--output", str(recipe)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("temperature ")
    assert "segibn evaluate" in said
    value = yaml.safe_load(recipe.read_text())["temperature"]
    assert f"temperature {value:.3f}"[:14] == said[:14]
    found = []
    for more in ([], ["--recipe", str(recipe)]):
        output = tmp_path / "scores.json"
        assert evaluate.main([*argv, "--calibration", "--output", str(output), *more]) == 0
        found.append(read_json(output))
    plain, cool = found
    assert cool["confusion"] == plain["confusion"]
    assert f"-T{value:g}" in cool["signature"]
    # Random logits are far too sure of themselves on random targets.
    assert cool["details"]["calibration"]["ece"] < 0.5 * plain["details"]["calibration"]["ece"]


def test_views_that_are_averaged_have_no_temperature_of_their_own(make_run, datasets):
    argv = [str(make_run("camvid", "camvid11")), "--datasets", str(datasets), "--device", "cpu"]
    with pytest.raises(ConfigError, match="whole frames, seen once"):
        main([*argv, "--flip"])
