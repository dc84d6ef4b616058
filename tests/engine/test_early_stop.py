"""Early stopping on the source domain, and the learning-rate range test."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from segibn.cli.main import main
from segibn.config.load import load_config
from segibn.engine.optim import learning_rate_factor
from segibn.engine.run_dir import RunDir, is_exhausted
from segibn.engine.train import train
from segibn.errors import ConfigError, SegibnError
from segibn.runs.lr_range import read_range


def _write(folder: Path, scores: list[float]) -> RunDir:
    run = RunDir(folder)
    lines = [json.dumps({"iteration": n, "val_miou": score}) for n, score in enumerate(scores, start=1)]
    run.metrics_file.write_text("\n".join(lines) + "\n")
    return run


@pytest.mark.parametrize(
    ("scores", "patience", "expected"),
    [
        ([0.5, 0.6, 0.7], 1, False),
        ([0.5, 0.6, 0.6], 1, True),  # no better is not enough
        ([0.5, 0.6, 0.4, 0.5], 2, True),
        ([0.5, 0.6, 0.4, 0.7], 2, False),
        ([0.5, 0.4], 2, False),  # there was nothing before these two
    ],
)
def test_a_run_is_exhausted_when_the_last_scores_beat_none_before(
    tmp_path: Path, scores: list[float], patience: int, expected: bool
) -> None:
    assert is_exhausted(_write(tmp_path, scores), patience) is expected


def test_a_training_that_learns_no_more_ends_as_one_that_is_finished(
    blocks: Path, light_config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A rate of next to nothing: scores move with the norms' running statistics alone.
    overrides = [
        "optim.lr=1e-12",
        "optim.iterations=12",
        "engine.evaluate_every=1",
        "engine.patience=2",
        "engine.trackers=[]",
    ]
    config = load_config(light_config, overrides)
    result = train(config, datasets_root=blocks, output=tmp_path / "run")
    assert 3 <= result.iteration < 12
    assert result.stopped_by is None
    with caplog.at_level(logging.WARNING):
        again = train(config, datasets_root=blocks, output=tmp_path / "run", resume="auto")
    assert (again.iteration, again.stopped_by) == (result.iteration, None)


def test_patience_without_evaluations_is_refused(light_config: Path) -> None:
    with pytest.raises(ConfigError, match="patience counts evaluations: set evaluate_every too"):
        load_config(light_config, ["engine.patience=2"])


def test_the_rates_of_a_range_test_rise_by_the_same_factor(light_config: Path) -> None:
    config = load_config(light_config, ["optim.schedule=range", "optim.iterations=100"]).optim
    factors = np.array([learning_rate_factor(n, config) for n in range(101)])
    np.testing.assert_allclose(factors[0], 1e-5)
    np.testing.assert_allclose(factors[-1], 1)
    np.testing.assert_allclose(np.diff(np.log(factors)), np.log(1e5) / 100)


def test_the_suggestion_is_where_the_loss_falls_fastest_before_it_explodes() -> None:
    rates = 1e-5 ** (1 - np.arange(100) / 100)
    losses = 2 - 1.5 / (1 + (1e-2 / rates) ** 2)  # falls around 1e-2 ...
    losses[rates > 0.2] = 50  # ... and explodes above 0.2
    found = read_range(losses.tolist(), highest=1.0, updates=100)
    assert 3e-3 < found.suggested < 6e-2
    assert max(found.rates) < 0.35
    with pytest.raises(SegibnError, match="the loss never fell"):
        read_range(np.linspace(1, 2, 100).tolist(), highest=1.0, updates=100)


def test_the_verb_suggests_a_rate_and_keeps_nothing_of_the_training(
    blocks: Path, light_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(light_config), "--datasets", str(blocks), "--output", str(tmp_path / "range")]
    assert main([*words, "--find-lr", "1"]) == 0
    said = capsys.readouterr().out
    assert "suggested: optim.lr=" in said
    assert f"next: segibn train {light_config}" in said or "next: python -m segibn train" in said
    assert sorted(path.name for path in (tmp_path / "range").iterdir()) == ["lr_range.json", "lr_range.png"]
    content = json.loads((tmp_path / "range/lr_range.json").read_text())
    assert len(content["rates"]) == len(content["losses"]) >= 3
    assert content["rates"][0] == pytest.approx(1e-5)


@pytest.mark.parametrize("rate", ["-1", "fast", "nan"])
def test_a_rate_that_is_none_is_refused(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "gta5_ibn", f"--find-lr={rate}"])
    assert f"'{rate}' is no learning rate; write one such as 1" in capsys.readouterr().err
