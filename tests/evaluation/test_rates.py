import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_jaccard_index, multiclass_precision

from segibn.errors import SegibnError
from segibn.evaluation import metrics
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.metrics import POLICIES, class_counts, compute_iou, compute_miou

K = 6


def random_confusion(seed: int, void: bool) -> np.ndarray:
    """Class 4 is only predicted, class 5 is nowhere."""
    counts = np.random.default_rng(seed).integers(0, 1000, (K, K + 1))
    counts[4:], counts[:, 5] = 0, 0
    counts[:, K] *= void
    return counts


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_scores_counts_as_it_scores_the_confusion(policy: str):
    void = POLICIES[policy].void_prediction != "none"
    confusions = [random_confusion(seed, void) for seed in range(4)]
    stacked = np.stack([class_counts(confusion) for confusion in confusions])
    for found, expected in ((metrics.iou_of, compute_iou), (metrics.miou_of, compute_miou)):
        np.testing.assert_allclose(found(stacked, policy), [expected(c, policy) for c in confusions], rtol=1e-14)


def test_a_policy_without_void_refuses_void_predictions():
    with pytest.raises(SegibnError, match="torchvision"):
        metrics.miou_of(class_counts(random_confusion(0, True)), "torchvision")


def label_maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (30, 40), p=[0.6, 0.2, 0.1, 0.05, 0.05])
    pred = np.where(rng.uniform(size=target.shape) < 0.7, target, rng.integers(4, size=target.shape))
    return target, np.where(pred == 255, 0, pred).astype(np.uint8)


@pytest.mark.parametrize(
    ("ours", "theirs", "average"),
    [
        ("class_precision", multiclass_precision, "none"),
        ("class_f1", multiclass_f1_score, "none"),
        ("frequency_weighted_iou", multiclass_jaccard_index, "weighted"),
    ],
)
def test_rates_are_those_of_torchmetrics(ours, theirs, average):
    target, pred = label_maps(0)
    confusion = count_classes(target, pred, 4)
    tensors = torch.from_numpy(pred).long(), torch.from_numpy(target).long()
    expected = theirs(*tensors, num_classes=4, average=average, ignore_index=255)
    found = metrics.rates(class_counts(confusion), "cityscapes")[ours]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)


def test_image_miou_is_the_mean_of_the_frames_scored_alone():
    frames, alone = [], []
    for seed in range(4):
        confusion = count_classes(*label_maps(seed), 4)
        frames.append(class_counts(confusion))
        alone.append(compute_miou(confusion))
    frames.append(np.zeros((4, 4), np.int64))  # a frame without valid pixels
    total = np.sum(frames, axis=0)
    found = metrics.rates(total, "cityscapes", np.stack(frames))["image_miou"]
    assert found == pytest.approx(np.mean(alone), rel=1e-14)


def test_nothing_to_divide_by_gives_nan_without_a_warning():
    with np.errstate(all="raise"):
        found = metrics.rates(np.zeros((4, 3), np.int64), "cityscapes")
    assert np.isnan([found["frequency_weighted_iou"], found["mean_f1"], *found["class_precision"]]).all()
