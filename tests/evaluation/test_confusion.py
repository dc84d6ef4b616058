import time

import numpy as np
import pytest

from segibn.evaluation.confusion import IGNORE_INDEX, count_classes, count_pairs, fold_pairs

K = 5


def random_pair(seed: int, shape: tuple[int, int] = (13, 17)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = np.array([*range(K), IGNORE_INDEX], dtype=np.uint8)
    return rng.choice(values, shape), rng.choice(values, shape)


def counted_pixel_by_pixel(target: np.ndarray, pred: np.ndarray) -> np.ndarray:
    counts = np.zeros((K, K + 1), dtype=np.int64)
    for row in range(target.shape[0]):
        for column in range(target.shape[1]):
            if target[row, column] != IGNORE_INDEX:
                predicted = pred[row, column]
                counts[target[row, column], K if predicted == IGNORE_INDEX else predicted] += 1
    return counts


@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_a_double_loop(seed: int):
    target, pred = random_pair(seed)
    counts = count_classes(target, pred, K)
    np.testing.assert_array_equal(counts, counted_pixel_by_pixel(target, pred))
    assert counts.dtype == np.int64


def test_rows_are_targets_and_the_last_column_is_void():
    counts = count_classes(np.array([[0, 0, 2]], np.uint8), np.array([[1, 255, 2]], np.uint8), 3)
    assert counts.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_inputs_are_not_modified():
    target, pred = random_pair(3)
    before = target.copy(), pred.copy()
    count_classes(target, pred, K)
    np.testing.assert_array_equal(target, before[0])
    np.testing.assert_array_equal(pred, before[1])


def test_other_integer_types_count_the_same():
    target, pred = random_pair(4)
    large = count_classes(target.astype(np.int64), pred.astype(np.int32), K)
    np.testing.assert_array_equal(count_classes(target, pred, K), large)


@pytest.mark.parametrize(
    ("target", "pred", "message"),
    [
        ([[0, 1]], [[0, 7]], r"pred holds values outside 0\.\.4 and 255: 7 \(1 px\)"),
        ([[9, 9]], [[0, 1]], r"target holds values outside 0\.\.4 and 255: 9 \(2 px\)"),
        ([[0, 1]], [[0], [1]], r"target is 1x2 .* but pred is 2x1"),
        ([[0, 1]], [[0, 300]], r"outside 0\.\.255"),
        ([[0, 1]], [[0.5, 1.0]], r"must hold integers"),
    ],
    ids=["pred-value", "target-value", "shape", "range", "dtype"],
)
def test_wrong_input_is_refused(target: list, pred: list, message: str):
    with pytest.raises(ValueError, match=message):
        count_classes(np.array(target), np.array(pred), K)


def test_folding_equals_renaming_the_pixels_first():
    rng = np.random.default_rng(0)
    target, pred = rng.integers(0, 30, (2, 20, 20)).astype(np.uint8)
    lookup = np.where(np.arange(256) % 7 < K, np.arange(256) % 7, IGNORE_INDEX)
    counts = count_classes(lookup[target], lookup[pred], K)
    folded = fold_pairs(count_pairs(target, pred), K, lookup, lookup)
    np.testing.assert_array_equal(folded, counts)


def test_a_full_cityscapes_frame_is_counted_in_milliseconds():
    rng = np.random.default_rng(0)
    target = np.kron(rng.integers(0, 19, (64, 128)), np.ones((16, 16))).astype(np.uint8)
    durations_s = []
    for _ in range(5):
        start_s = time.perf_counter()
        count_classes(target, target, 19)
        durations_s.append(time.perf_counter() - start_s)
    assert min(durations_s) < 0.1  # about 0.005 on an idle core; the bound leaves room for busy CI


def test_a_map_of_more_pixels_than_float32_can_count_stays_exact():
    target = np.zeros((4097, 4098), np.uint8)  # one pair at an odd number of pixels above 2^24
    target[-1, -1] = 7
    pairs = count_pairs(target, np.zeros_like(target))
    assert pairs[0, 0] == target.size - 1
    assert pairs[7, 0] == 1
    assert pairs.sum() == target.size


def test_maps_that_are_views_of_others_count_the_same():
    target, pred = random_pair(8, (26, 51))
    views = target[::2, ::3], pred[:, ::-1][::2, ::3]
    np.testing.assert_array_equal(count_pairs(*views), count_pairs(*(np.ascontiguousarray(view) for view in views)))
