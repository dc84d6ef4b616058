"""Which classes, frames and points are drawn, against the published formulas. No pixel is read."""

import numpy as np

from segibn.data.class_index import ClassIndex
from segibn.data.focus import FocusTable, class_uniform_probabilities, rare_class_probabilities

DRAWS = 20_000


def _index() -> ClassIndex:
    """Seven frames, five classes: 0 everywhere, 1 in most, 2 in two, 3 nowhere, 4 hardly."""
    pixels = np.array(
        [
            [9000, 400, 0, 0, 0],
            [8000, 900, 0, 0, 0],
            [9500, 0, 300, 0, 0],
            [9900, 80, 0, 0, 0],
            [7000, 1500, 0, 0, 7],
            [9900, 90, 0, 0, 0],
            [6000, 500, 120, 0, 0],
        ]
    )
    rng = np.random.default_rng(0)
    points = [
        (frame, train_id, *rng.integers(0, 100, 2).tolist())
        for frame, train_id in np.argwhere(pixels > 0)
        for _ in range(1 + (frame + train_id) % 4)
    ]
    table = np.array(points)
    return ClassIndex(pixels, table[:, 0], table[:, 1].astype(np.uint8), table[:, 2:])


def _draw(table: FocusTable) -> list[tuple[int, tuple[int, int]]]:
    return [table.draw(np.random.default_rng((seed, 9))) for seed in range(DRAWS)]


def _classes_of(index: ClassIndex) -> dict[tuple[int, tuple[int, int]], int]:
    keys = zip(index.frame.tolist(), map(tuple, index.place.tolist()), strict=True)
    return dict(zip(keys, index.train_id.tolist(), strict=True))


def _assert_shares(counts: np.ndarray, expected: np.ndarray) -> None:
    """Counts lie within four standard deviations of a binomial's mean."""
    expected = np.asarray(expected, float)
    spread = np.sqrt(DRAWS * expected * (1 - expected))
    assert (np.abs(counts - DRAWS * expected) <= 4 * spread + 1e-9).all()


def test_class_uniform_draws_every_class_alike_and_then_every_point_alike() -> None:
    index = _index()
    chances = class_uniform_probabilities(index)
    assert chances.tolist() == [0.25, 0.25, 0.25, 0, 0.25]
    drawn = _draw(FocusTable(index, chances, by_frame=False))
    class_of = _classes_of(index)
    points = {point: 0 for point in class_of}
    for point in drawn:
        points[point] += 1
    per_class = np.bincount(list(class_of.values()), minlength=5)
    _assert_shares(np.array(list(points.values())), [0.25 / per_class[class_of[point]] for point in points])


def test_rare_class_follows_the_papers_formula_and_then_draws_frames_alike() -> None:
    index, temperature, enough = _index(), 0.2, 100
    total = index.pixels.sum()
    weights = [
        np.exp((1 - index.pixels[:, k].sum() / total) / temperature) if max(index.pixels[:, k]) >= enough else 0.0
        for k in range(5)
    ]
    expected = np.array(weights) / sum(weights)
    chances = rare_class_probabilities(index, temperature, enough)
    np.testing.assert_allclose(chances, expected, rtol=1e-12)
    assert chances[3] == chances[4] == 0

    drawn = _draw(FocusTable(index, chances, by_frame=True, min_pixels=enough))
    class_of = _classes_of(index)
    counts = np.zeros((7, 5))
    for point in drawn:
        counts[point[0], class_of[point]] += 1
    per_frame = (index.pixels >= enough) * expected / np.maximum(1, (index.pixels >= enough).sum(axis=0))
    _assert_shares(counts, per_frame)
    assert counts[3, 1] == 0  # 80 pixels are not enough
    # within a frame, its points of the class come alike
    own = [point for point in class_of if point[0] == 6 and class_of[point] == 1]
    assert len(own) > 1
    _assert_shares(np.array([drawn.count(point) for point in own]), np.full(len(own), per_frame[6, 1] / len(own)))


def test_rare_class_at_the_papers_temperature_draws_hardly_anything_but_the_rarest() -> None:
    pixels = np.array([[360, 180, 120, 1]]) * 1000
    index = ClassIndex(pixels, np.arange(0), np.arange(0), np.zeros((0, 2)))
    chances = rare_class_probabilities(index, 0.01, 3000)
    assert chances[3] == 0  # 1000 pixels
    assert chances[2] > 0.999
    hot = rare_class_probabilities(index, 1e6, 1)
    np.testing.assert_allclose(hot, 0.25, atol=1e-6)
    assert np.isfinite(rare_class_probabilities(index, 1e-6, 1)).all()
