from pathlib import Path

import numpy as np
import pytest

from segibn.evaluation.drivable import BATCHES, DEFINITIONS, batched_miou, drivable_miou, small_counts
from segibn.evaluation.metrics import compute_miou
from segibn.evaluation.score_folders import score_drivable
from segibn.files.encode import write_label_png
from segibn.files.folders import list_files
from segibn.files.pictures import read_label_map

# Pixels of the 10,000 BDD100K validation maps: background, direct, alternative.
DIRECT, ALTERNATIVE = 1_113_294_375, 447_378_247
BACKGROUND = 10_000 * 1280 * 720 - DIRECT - ALTERNATIVE


def painted_all(class_index: int) -> np.ndarray:
    counts = np.zeros((3, 3), dtype=np.int64)
    counts[:, class_index] = (BACKGROUND, DIRECT, ALTERNATIVE)
    return counts


@pytest.mark.parametrize(
    ("class_index", "percent"),
    [(1, {"A": 4.03, "B": 6.04, "C": 35.67, "D": 8.47}), (0, {"A": 27.69, "B": 0.0, "C": 0.0, "D": 41.53})],
    ids=["all-direct", "all-background"],
)
def test_trivial_predictors_score_as_measured_on_the_real_maps(class_index: int, percent: dict):
    scores = drivable_miou(painted_all(class_index))
    assert {letter: round(100 * value, 2) for letter, value in scores.items()} == percent


def test_a_perfect_prediction_is_one_under_all_definitions():
    assert set(drivable_miou(np.diag([50, 30, 20])).values()) == {1.0}


def test_definitions_differ_as_their_texts_say():
    counts = np.array([[60, 10, 0], [4, 12, 4], [0, 5, 5]])
    background, direct, alternative = 60 / 74, 12 / 35, 5 / 14
    scores = drivable_miou(counts)
    assert scores["A"] == pytest.approx((background + direct + alternative) / 3)
    assert scores["B"] == pytest.approx((direct + alternative) / 2)
    assert scores["C"] == pytest.approx((12 / 25 + 5 / 14) / 2)
    assert scores["D"] == pytest.approx((60 / 74 + 26 / 40) / 2)
    assert scores.keys() == DEFINITIONS.keys()


def test_painting_background_as_drivable_costs_nothing_only_under_c():
    honest = np.array([[70, 0, 0], [5, 15, 0], [0, 0, 10]])
    painted = np.array([[0, 70, 0], [5, 15, 0], [0, 0, 10]])
    before, after = drivable_miou(honest), drivable_miou(painted)
    assert after["C"] == before["C"]
    assert all(after[letter] < before[letter] for letter in "ABD")


def test_an_id_without_targets_leaves_the_mean():
    counts = np.array([[80, 0, 0], [0, 10, 10], [0, 0, 0]])
    scores = drivable_miou(counts)
    assert scores["B"] == scores["C"] == 0.5
    assert scores["A"] == 0.75


def test_void_predictions_are_false_negatives():
    counts = np.array([[80, 0, 0, 0], [0, 5, 0, 5], [0, 0, 10, 0]])
    scores = drivable_miou(counts)
    assert scores["B"] == pytest.approx((0.5 + 1) / 2)
    assert scores["D"] == pytest.approx((1 + 15 / 20) / 2)


def test_d_is_the_binary_miou_of_merged_maps():
    rng = np.random.default_rng(0)
    target, pred = rng.integers(0, 3, (2, 40, 40))
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (target.ravel(), pred.ravel()), 1)
    binary = np.zeros((2, 2), dtype=np.int64)
    np.add.at(binary, ((target > 0).ravel().astype(int), (pred > 0).ravel().astype(int)), 1)
    assert drivable_miou(counts)["D"] == compute_miou(binary)


def _loop_over_batches(targets, preds, batch):
    """What YOLOP's validation does, pixel by pixel, on frames of twice its size."""
    total, frames = 0.0, 0
    for first in range(0, len(targets), batch):
        counts = [[0, 0], [0, 0]]
        chunk = list(zip(targets[first : first + batch], preds[first : first + batch], strict=True))
        for target, pred in chunk:
            for y in range(0, target.shape[0], 2):
                for x in range(0, target.shape[1], 2):
                    is_road = int(target[y : y + 2, x : x + 2].max() > 0)  # mean of 0 and 255 > 1
                    counts[is_road][int(pred[y + 1, x + 1] > 0)] += 1
        ious = []
        for k in (0, 1):
            union = sum(counts[k]) + counts[0][k] + counts[1][k] - counts[k][k]
            ious.append(counts[k][k] / union if union else 0.0)
        total += len(chunk) * sum(ious) / 2
        frames += len(chunk)
    return total / frames


def test_batched_definitions_equal_a_loop_over_pixels_and_batches():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 3, (2, 27, 1, 160), dtype=np.uint8)
    coarse[:, 5] = 0  # a frame without any road
    targets, preds = coarse.repeat(4, axis=2).repeat(8, axis=3)
    preds[:, :, 3::7] = 0
    frames = [small_counts(*pair) for pair in zip(targets, preds, strict=True)]
    assert frames[0].sum() == 2 * 640
    found = batched_miou(frames)
    for name, (_, batch) in BATCHES.items():
        assert found[name] == pytest.approx(_loop_over_batches(targets, preds, batch), rel=1e-12)
    assert found["D-yolop"] != found["D-twinlite"]


def test_maps_of_the_networks_own_size_are_counted_as_they_are():
    rng = np.random.default_rng(1)
    target, pred = rng.integers(0, 3, (2, 4, 640), dtype=np.uint8)
    road, seen = target > 0, pred > 0
    expected = [[(~road & ~seen).sum(), (~road & seen).sum()], [(road & ~seen).sum(), (road & seen).sum()]]
    np.testing.assert_array_equal(small_counts(target, pred), expected)


def test_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="3 classes"):
        drivable_miou(np.eye(19, dtype=np.int64))


def loop_over_pixels(targets: list[Path], painted: int) -> dict[str, float]:
    """Score a predictor that paints everything as one class, pixel by pixel.

    Each definition keeps its own true positives, false positives and false negatives, so none of
    them comes from a confusion matrix. Classes: 0 background, 1 direct, 2 alternative.
    """
    hits, wrong, missed = [0] * 3, [0] * 3, [0] * 3
    wrong_without_background = [0] * 3  # definition C leaves background pixels out
    drivable = [[0, 0, 0], [0, 0, 0]]  # of D: hits, wrong, missed of background and drivable
    for path in targets:
        for row in read_label_map(path):
            for target in row.tobytes():
                pred = painted
                if target == pred:
                    hits[target] += 1
                else:
                    missed[target] += 1
                    wrong[pred] += 1
                    if target != 0:
                        wrong_without_background[pred] += 1
                is_target, is_pred = target > 0, pred > 0
                if is_target == is_pred:
                    drivable[is_target][0] += 1
                else:
                    drivable[is_pred][1] += 1
                    drivable[is_target][2] += 1

    def iou(index: int, false_positive: list[int]) -> float:
        return hits[index] / (hits[index] + false_positive[index] + missed[index])

    return {
        "A": sum(iou(index, wrong) for index in (0, 1, 2)) / 3,
        "B": sum(iou(index, wrong) for index in (1, 2)) / 2,
        "C": sum(iou(index, wrong_without_background) for index in (1, 2)) / 2,
        "D": sum(counts[0] / sum(counts) for counts in drivable) / 2,
    }


@pytest.mark.slow  # 147 million pixels, one by one
@pytest.mark.real_data
@pytest.mark.parametrize("painted", [1, 0], ids=["everything-direct", "everything-background"])
def test_trivial_predictors_on_160_real_maps_score_what_a_loop_over_pixels_gives(
    real_data: Path, tmp_path: Path, painted: int
):
    folder = real_data / "bdd100k/drivable_maps/labels/val"
    targets = list_files(folder, (".png",))
    assert len(targets) == 160
    for path in targets:
        write_label_png(tmp_path / path.name, np.full((720, 1280), painted, np.uint8))
    scores = score_drivable(folder, tmp_path)
    assert scores.scores.confusion.sum() == 160 * 720 * 1280
    expected = loop_over_pixels(targets, painted)
    assert scores.miou == pytest.approx(expected, rel=1e-15)
    assert {letter: scores.miou[letter] > 0 for letter in "ABCD"} == {
        "A": True, "B": painted == 1, "C": painted == 1, "D": True,
    }  # fmt: skip
