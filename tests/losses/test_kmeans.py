"""Exact k-means on a line against all possible splits."""

import itertools

import numpy as np
import pytest

from segibn.losses.whitening import cluster_starts


def _cost(values: np.ndarray, starts: tuple[int, ...]) -> float:
    runs = np.split(values, starts[1:])
    return sum(float(((run - run.mean()) ** 2).sum()) for run in runs)


@pytest.mark.parametrize("clusters", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(8))
def test_no_split_is_better_than_the_one_found(clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(rng.gamma(0.5, size=13) + rng.integers(3, size=13) * rng.random())
    splits = [(0, *rest) for rest in itertools.combinations(range(1, 13), clusters - 1)]
    found = tuple(cluster_starts(values, clusters))
    assert found in splits
    assert _cost(values, found) == pytest.approx(min(_cost(values, s) for s in splits), abs=1e-12)


def test_three_clouds_are_found_among_many_values() -> None:
    rng = np.random.default_rng(0)
    clouds = [rng.normal(centre, 0.1, count) for centre, count in ((0, 9000), (5, 700), (9, 300))]
    values = np.sort(np.concatenate(clouds))
    assert cluster_starts(values, 3).tolist() == [0, 9000, 9700]


def test_equal_values_can_be_split_anywhere_and_are() -> None:
    starts = cluster_starts(np.ones(5), 3)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
