import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.metrics import (
    POLICIES,
    accuracy_of,
    averaged_of,
    class_counts,
    compute_iou,
    compute_miou,
    mean_defined,
    recall_of,
)

# Class 2 is predicted once but occurs in no target; class 3 occurs nowhere.
TOY = np.array([[3, 1, 0, 0, 0], [0, 3, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])


def test_toy_iou_is_known_by_hand():
    np.testing.assert_allclose(compute_iou(TOY), [0.75, 0.6, 0.0, np.nan])


@pytest.mark.parametrize(
    ("policy", "miou", "iou_of_class_3"),
    [
        ("cityscapes", 0.450, np.nan),  # class 3 is skipped, class 2 counts 0
        ("bdd100k", 0.675, 0.0),  # both are skipped
        ("detectron2", 0.675, np.nan),  # both are skipped
        ("semseg", 0.3375, 0.0),  # both count 0
        ("torchvision", np.nan, np.nan),  # class 3 is NaN, and so is the mean
    ],
)
def test_one_toy_confusion_has_the_miou_of_each_implementation(policy: str, miou: float, iou_of_class_3: float):
    assert compute_miou(TOY, policy) == pytest.approx(miou, nan_ok=True)
    np.testing.assert_allclose(compute_iou(TOY, policy), [0.75, 0.6, 0.0, iou_of_class_3])


def test_policies_say_which_classes_they_average():
    assert averaged_of(class_counts(TOY), "cityscapes").tolist() == [True, True, True, False]
    assert averaged_of(class_counts(TOY), "detectron2").tolist() == [True, True, False, False]
    assert averaged_of(class_counts(TOY), "torchvision").all()


def test_detectron2_leaves_a_void_prediction_out_of_everything():
    with_void = TOY.copy()
    with_void[0, 4] += 2
    np.testing.assert_array_equal(compute_iou(with_void, "detectron2"), compute_iou(TOY, "detectron2"))
    assert accuracy_of(class_counts(with_void), "detectron2") == 0.75
    assert recall_of(class_counts(with_void), "detectron2")[0] == 0.75
    assert compute_iou(with_void, "bdd100k")[0] == pytest.approx(3 / 6)


def test_torchvision_has_no_place_for_void_predictions():
    with_void = TOY.copy()
    with_void[0, 4] += 2
    with pytest.raises(SegibnError, match="'torchvision' knows no void predictions, but 2 valid"):
        compute_iou(with_void, "torchvision")


def test_no_two_policies_have_the_same_words_in_the_signature():
    words = {(policy.absent, policy.void_prediction) for policy in POLICIES.values()}
    assert len(words) == len(POLICIES)


def test_cityscapes_is_the_default_policy():
    assert compute_miou(TOY) == compute_miou(TOY, "cityscapes")


def test_a_void_prediction_on_a_valid_pixel_lowers_iou():
    with_void = TOY.copy()
    with_void[0, 0] -= 1
    with_void[0, 4] += 1
    assert compute_iou(with_void)[0] == pytest.approx(0.5)
    assert accuracy_of(class_counts(with_void)) == pytest.approx(5 / 8)


def test_ignored_targets_never_hurt():
    target = np.array([[0, 1, 255, 255]], np.uint8)
    confusion = count_classes(target, np.array([[0, 1, 0, 255]], np.uint8), 2)
    assert compute_miou(confusion) == 1.0
    assert accuracy_of(class_counts(confusion)) == 1.0


def test_accuracies_are_recall():
    np.testing.assert_allclose(recall_of(class_counts(TOY)), [0.75, 0.75, np.nan, np.nan])
    assert mean_defined(recall_of(class_counts(TOY))) == 0.75
    assert accuracy_of(class_counts(TOY)) == 0.75


def test_no_pixels_give_nan_and_no_warning():
    empty = np.zeros((3, 4), dtype=np.int64)
    with np.errstate(all="raise"):
        assert np.isnan(compute_miou(empty))
        assert np.isnan(accuracy_of(class_counts(empty)))
        assert np.isnan(mean_defined(recall_of(class_counts(empty))))
        assert np.isnan(compute_miou(empty, "bdd100k"))


def test_a_square_matrix_has_no_void():
    np.testing.assert_array_equal(compute_iou(TOY[:, :4]), compute_iou(TOY))


def test_an_unknown_policy_lists_the_known_ones():
    with pytest.raises(ValueError, match="cityscapes, bdd100k, detectron2, torchvision"):
        compute_miou(TOY, "voc")


def test_large_counts_stay_exact():
    # float32 would lose the single pixel; the counts of BDD100K's test set pass 2^31 as well.
    counts = np.array([[2**40, 1, 0], [0, 2**40, 0]])
    assert compute_iou(counts)[0] == 2**40 / (2**40 + 1)
