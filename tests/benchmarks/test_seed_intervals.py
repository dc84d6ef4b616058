"""Means over seeds and their intervals over frames, against a plain loop."""

import numpy as np
import pytest

from benchmarks.seed_intervals import mean_of_sets, seed_scores
from segibn.errors import SegibnError
from segibn.evaluation.drivable import drivable_miou
from segibn.evaluation.metrics import class_counts
from segibn.evaluation.resampling import Resampling

HOW = Resampling(resamples=150, seed=3)


def random_counts(seeds: int, frames: int, seed: int, skill: float = 0.7) -> np.ndarray:
    """Counts (S, n, 4, K) of seeds that saw the same frames, of four classes."""
    rng = np.random.default_rng(seed)
    target = np.broadcast_to(rng.integers(1, 500, (frames, 4)), (seeds, frames, 4))
    found = rng.binomial(target, skill)
    pred = found + rng.integers(0, 60, found.shape)
    return np.stack([found, target, pred, np.zeros_like(found)], axis=2)


def loop_miou(frames: list[np.ndarray]) -> float:
    """Mean over the classes of found / (target + predicted - found), by Python's arithmetic."""
    ious = []
    for c in range(frames[0].shape[1]):
        both, target, pred = (sum(int(frame[row, c]) for frame in frames) for row in range(3))
        ious.append(both / (target + pred - both))
    return sum(ious) / len(ious)


def loop_resamples(counts: np.ndarray, seed: int = HOW.seed) -> list[float]:
    """Mean over the seeds of mIoU, each time of the same frames drawn with replacement."""
    rng, means = np.random.default_rng(seed), []
    for _ in range(HOW.resamples):
        drawn = rng.integers(counts.shape[1], size=counts.shape[1])
        scores = [loop_miou([frames[i] for i in drawn]) for frames in counts]
        means.append(sum(scores) / len(scores))
    return means


def test_interval_equals_a_loop_over_resamples_seeds_and_frames():
    counts = random_counts(3, 7, seed=0)
    found = seed_scores(counts, how=HOW)
    np.testing.assert_allclose(found.miou, [loop_miou(list(frames)) for frames in counts])
    expected = np.quantile(loop_resamples(counts), [0.025, 0.975])
    np.testing.assert_allclose(found.interval(), expected, rtol=1e-12)
    scores = [loop_miou(list(frames)) for frames in counts]
    assert found.mean == pytest.approx(sum(scores) / 3)
    assert found.std == pytest.approx(np.std(scores, ddof=1))


def test_a_difference_draws_the_same_frames_of_both_recipes():
    one, two = random_counts(2, 6, seed=1), random_counts(2, 6, seed=1, skill=0.8)
    found = seed_scores(two, how=HOW) - seed_scores(one, how=HOW)
    differences = np.subtract(loop_resamples(two), loop_resamples(one))
    np.testing.assert_allclose(found.interval(0.9), np.quantile(differences, [0.05, 0.95]))
    apart = [loop_miou(list(b)) - loop_miou(list(a)) for a, b in zip(one, two, strict=True)]
    np.testing.assert_allclose(found.miou, apart)


def test_the_mean_of_sets_averages_each_seed_and_each_resample():
    one, two = random_counts(2, 5, seed=4), random_counts(2, 8, seed=5)
    found = mean_of_sets([seed_scores(counts, how=HOW) for counts in (one, two)])
    means = [(loop_miou(list(a)) + loop_miou(list(b))) / 2 for a, b in zip(one, two, strict=True)]
    np.testing.assert_allclose(found.miou, means)
    expected = np.mean([loop_resamples(one), loop_resamples(two)], axis=0)
    np.testing.assert_allclose(found.resampled, expected)


def test_policy_of_drivable_area_is_definition_a():
    rng = np.random.default_rng(6)
    confusions = rng.integers(0, 300, (4, 3, 4))
    confusions[:, 2, :] = 0  # nothing is alternative, but some is painted so
    counts = np.stack([class_counts(confusion) for confusion in confusions])[None]
    found = seed_scores(counts, "bdd100k", HOW)
    assert found.miou[0] == pytest.approx(drivable_miou(confusions.sum(axis=0))["A"])


def test_counts_without_seeds_are_refused():
    with pytest.raises(SegibnError, match=r"\(S, n, 4, K\)"):
        seed_scores(random_counts(1, 4, seed=0)[0])
