import numpy as np
import pytest
from scipy import ndimage

from segibn.evaluation.boundary import BoundaryIoU, boundary_mask, boundary_width
from segibn.evaluation.measure import Frame, FramePrediction


def random_map(seed: int, size: tuple[int, int] = (60, 90), classes: int = 4) -> np.ndarray:
    """Return smooth regions, some of them ignored."""
    noise = np.random.default_rng(seed).normal(size=(classes + 1, *size))
    label_map = ndimage.gaussian_filter(noise, (0, 5, 5)).argmax(axis=0).astype(np.uint8)
    label_map[label_map == classes] = 255
    return label_map


def add(metric: BoundaryIoU, target: np.ndarray, pred: np.ndarray) -> None:
    metric.update(Frame("frame", None, target), FramePrediction(pred))


def eroded_rim(mask: np.ndarray, width: int) -> np.ndarray:
    """Return the mask without what `width` erosions by 3 x 3 pixels leave; outside is nothing."""
    square = np.ones((3, 3), bool)
    return mask & ~ndimage.binary_erosion(mask, square, iterations=width, border_value=0)


@pytest.mark.parametrize("width", [1, 2, 7, 40])
def test_the_mask_is_what_repeated_erosion_of_each_class_takes_away(width: int):
    label_map = random_map(0)
    expected = np.zeros(label_map.shape, bool)
    for value in np.unique(label_map):
        expected |= eroded_rim(label_map == value, width)
    np.testing.assert_array_equal(boundary_mask(label_map, width), expected)


def test_boundary_iou_equals_masks_eroded_class_by_class():
    counts, sums = BoundaryIoU("abcd"), np.zeros((2, 4))
    for seed in range(3):
        target, pred = random_map(seed), random_map(seed)
        changed = np.random.default_rng(seed).uniform(size=pred.shape) < 0.02
        pred[changed] = 1
        add(counts, target, pred)
        pred = np.where(target == 255, 255, pred)
        width = round(0.02 * np.hypot(60, 90))
        for c in range(4):
            rims = eroded_rim(target == c, width), eroded_rim(pred == c, width)
            sums[:, c] += (rims[0] & rims[1]).sum(), (rims[0] | rims[1]).sum()
    np.testing.assert_allclose(counts.iou, sums[0] / sums[1], rtol=1e-15)
    assert 0.2 < counts.iou.min() < counts.iou.max() < 1


def test_width_is_two_per_cent_of_the_diagonal_and_at_least_one_pixel():
    assert boundary_width((1024, 2048)) == 46
    assert boundary_width((4, 4)) == 1


def test_what_is_predicted_where_nothing_is_known_does_not_count():
    target = random_map(1)
    pred = np.where(target == 255, random_map(2, classes=3), target)
    counts = BoundaryIoU("abcde")
    add(counts, target, pred)
    np.testing.assert_array_equal(counts.iou, [1, 1, 1, 1, np.nan])


def test_a_shifted_object_loses_more_boundary_than_area():
    target = np.zeros((100, 200), np.uint8)
    target[20:80, 50:150] = 1
    counts = BoundaryIoU("ab")
    add(counts, target, np.roll(target, 2, axis=1))
    both, union = 98 * 60, 102 * 60
    assert counts.iou[1] < both / union - 0.2


def test_json_says_mean_classes_and_width():
    counts = BoundaryIoU("abcde")
    add(counts, random_map(0), random_map(3))
    plain = counts.result()
    assert plain["boundary_iou"]["e"] is None
    assert plain["boundary_miou"] == pytest.approx(np.nanmean(counts.iou), rel=1e-15)
    assert plain["dilation_ratio"] == 0.02
