import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.evaluation.metrics import miou_of
from segibn.evaluation.resampling import (
    Resampling,
    bootstrap_intervals,
    difference_intervals,
    holm_adjusted,
    permutation_test,
)

POLICY = "cityscapes"


def random_frames(count: int, seed: int, k: int = 4, skill: float = 0.8) -> np.ndarray:
    """Counts (n, 4, K) of frames in which a class is missing now and then."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 500, (count, k)) * (rng.uniform(size=(count, k)) < 0.8)
    found = rng.binomial(target, skill)
    void = rng.binomial(target - found, 0.1)
    pred = found + rng.integers(0, 60, (count, k))
    return np.stack([found, target, pred, void], axis=1)


def plain_iou(frames: list[np.ndarray]) -> np.ndarray:
    """IoU of some frames together, by Python's own arithmetic."""
    result = []
    for c in range(frames[0].shape[1]):
        both, target, pred = (sum(int(frame[row, c]) for frame in frames) for row in range(3))
        result.append(both / (target + pred - both) if target + pred else np.nan)
    return np.array(result)


def test_intervals_equal_a_loop_over_resamples_and_frames():
    counts, how = random_frames(9, 0), Resampling(resamples=120, seed=5)
    rng = np.random.default_rng(5)
    iou = np.array([plain_iou([counts[i] for i in rng.integers(9, size=9)]) for _ in range(120)])
    found = bootstrap_intervals(counts, POLICY, how)
    np.testing.assert_allclose(found.iou, np.nanquantile(iou, [0.025, 0.975], axis=0), rtol=1e-12)
    expected = np.quantile(np.nanmean(iou, axis=1), [0.025, 0.975])
    np.testing.assert_allclose(found.miou, expected, rtol=1e-12)


def test_difference_intervals_draw_the_same_frames_of_both_runs():
    a, b, how = random_frames(8, 0), random_frames(8, 1), Resampling(resamples=100, level=0.8)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(100):
        drawn = rng.integers(8, size=8)
        differences.append(plain_iou([b[i] for i in drawn]) - plain_iou([a[i] for i in drawn]))
    found = difference_intervals(a, b, POLICY, how)
    expected = np.quantile(np.array(differences), [0.1, 0.9], axis=0)
    np.testing.assert_allclose(found.iou, expected, rtol=1e-12, atol=1e-15)


def test_draws_do_not_depend_on_how_they_are_shared_out(monkeypatch):
    counts, how = random_frames(30, 2), Resampling(resamples=150)
    whole = bootstrap_intervals(counts, POLICY, how), permutation_test(counts, counts[::-1], POLICY)
    monkeypatch.setattr("segibn.evaluation.resampling._CHUNK", 70)
    parts = bootstrap_intervals(counts, POLICY, how), permutation_test(counts, counts[::-1], POLICY)
    np.testing.assert_array_equal(whole[0].iou, parts[0].iou)
    np.testing.assert_array_equal(whole[1].iou, parts[1].iou)


def test_95_per_cent_intervals_hold_the_truth_about_95_times_of_100():
    """The truth is known: frames drawn from a population whose IoU is a ratio of means."""
    population = random_frames(40_000, 0)
    truth = float(miou_of(population.sum(axis=0)))
    rng, how, inside = np.random.default_rng(1), Resampling(resamples=400), 0
    for _ in range(300):
        sample = population[rng.integers(len(population), size=60)]
        low, high = bootstrap_intervals(sample, POLICY, how).miou
        inside += low <= truth <= high
    assert 0.90 <= inside / 300 <= 0.985  # the binomial's own spread is 1.3 points


def test_p_equals_the_share_of_all_exchanges_when_frames_are_few():
    """Eight frames have 256 exchanges: the exact p-value, by a loop over all of them."""
    a, b = random_frames(8, 0, skill=0.8), random_frames(8, 1, skill=0.85)
    actual = abs(miou_of(b.sum(0)) - miou_of(a.sum(0)))
    as_large = 0
    for code in range(256):
        swap = np.array([code >> bit & 1 for bit in range(8)], bool)[:, None, None]
        left, right = np.where(swap, b, a).sum(0), np.where(swap, a, b).sum(0)
        as_large += abs(miou_of(right) - miou_of(left)) >= actual - 1e-12
    found = permutation_test(a, b, POLICY, Resampling(resamples=20_000))
    assert 0.02 < as_large / 256 < 0.9
    assert found.miou == pytest.approx(as_large / 256, abs=0.015)


def test_alike_runs_are_called_different_at_most_as_often_as_p_says():
    how = Resampling(resamples=200)
    p = []
    for seed in range(200):
        pair = random_frames(40, 2 * seed), random_frames(40, 2 * seed + 1)
        target = pair[0][:, 1]
        other = pair[1] * (target > 0)[:, None]  # other frames, the same classes
        p.append(permutation_test(pair[0], other, POLICY, how).miou)
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.10
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)


def test_a_better_run_is_told_from_a_worse_one():
    worse, better = random_frames(60, 0, skill=0.75), random_frames(60, 0, skill=0.85)
    assert permutation_test(worse, better, POLICY).miou < 0.001
    low, high = difference_intervals(worse, better, POLICY).miou
    assert 0.03 < low < high < 0.2


def test_a_run_compared_with_itself_has_p_1_and_no_difference():
    counts = random_frames(20, 3)
    found = permutation_test(counts, counts, POLICY)
    assert found.miou == 1
    assert (found.iou == 1).all()
    assert difference_intervals(counts, counts, POLICY).miou.tolist() == [0, 0]


def test_a_class_that_is_nowhere_has_no_interval_and_no_p():
    counts = np.concatenate([random_frames(20, 3), np.zeros((20, 4, 1), int)], axis=2)
    assert np.isnan(bootstrap_intervals(counts, POLICY).iou[:, 4]).all()
    assert np.isnan(permutation_test(counts, counts[::-1], POLICY).iou[4])
    assert not np.isnan(bootstrap_intervals(counts, POLICY).miou).any()


def test_holm_adjustment_of_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling: 0.02, 0.03, 0.06, 0.06.
    given = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(holm_adjusted(given), [0.03, 0.06, np.nan, 0.06, 0.02])


def test_too_little_is_refused():
    with pytest.raises(SegibnError, match="1 frame: an interval over frames needs at least 2"):
        bootstrap_intervals(random_frames(1, 0), POLICY)
    with pytest.raises(SegibnError, match="too few"):
        Resampling(resamples=10)
    with pytest.raises(SegibnError, match="level"):
        Resampling(level=95)
