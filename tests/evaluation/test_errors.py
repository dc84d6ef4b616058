"""Error detection and the BRAVO index against double loops and scikit-learn's definitions."""

import numpy as np
import pytest

from segibn.evaluation.errors import LEVELS, ErrorDetection, bravo_index, detection
from segibn.evaluation.measure import Frame, FramePrediction


def _frames(count=3):
    random = np.random.default_rng(0)
    for number in range(count):
        target = random.integers(0, 4, (12, 16), dtype=np.uint8)
        target[random.random(target.shape) < 0.2] = 255
        labels = np.where(random.random(target.shape) < 0.6, target, 1).astype(np.uint8)
        labels[target == 255] = 2
        # confidences on the levels, with many that are equal
        sure = np.round(random.random(target.shape) ** 0.5 * 50) * ((LEVELS - 1) // 50)
        sure = np.where(labels == target, sure, sure * 0.7 // 1)
        yield Frame(f"f{number}", None, target), labels, sure / (LEVELS - 1)


def _by_pairs(right, sure):
    """AUROC as the share of pairs that are in order; AP and FPR95 threshold by threshold."""
    good, bad = sure[right], sure[~right]
    above = (good[:, None] > bad).mean() + 0.5 * (good[:, None] == bad).mean()

    def average_precision(positive, score):
        total, recall = 0.0, 0.0
        for threshold in np.unique(score)[::-1]:
            taken = score >= threshold
            now = (positive & taken).sum() / positive.sum()
            total += (now - recall) * (positive & taken).sum() / taken.sum()
            recall = now
        return total

    thresholds = [t for t in np.unique(sure) if (good >= t).mean() >= 0.95]
    fpr95 = (bad >= max(thresholds)).mean()
    return above, average_precision(right, sure), average_precision(~right, -sure), fpr95


def test_it_is_what_pairs_and_thresholds_say():
    metric, right, sure = ErrorDetection(tuple("abcd")), [], []
    for frame, labels, confidence in _frames():
        metric.update(frame, FramePrediction(labels, confidence))
        valid = frame.target != 255
        right.append((labels == frame.target)[valid])
        sure.append(confidence[valid])
    found = metric.result()
    expected = _by_pairs(np.concatenate(right), np.concatenate(sure))
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-12)
    assert list(found) == ["auroc", "auprc_success", "auprc_error", "fpr95"]
    assert "AUPRC error" in ErrorDetection.table(found)


def test_nothing_is_said_of_one_kind_alone_and_confidences_are_probabilities():
    counts = np.zeros(LEVELS, np.int64)
    counts[3] = 5
    assert detection(np.zeros_like(counts), counts)["auroc"] is None
    frame = Frame("f", None, np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"in 0\.\.1"):
        ErrorDetection(("a",)).update(frame, FramePrediction(frame.target, np.full((2, 2), 1.5)))


def test_the_bravo_index_is_the_challenges_formula():
    semantic = {"miou": 0.7, "ece": 0.05, "auroc": 0.9, "auprc_success": 0.99}
    semantic |= {"auprc_error": 0.4, "fpr95": 0.6}
    ood = [{"auroc": 0.8, "auprc": 0.3, "fpr95": 0.5}, {"auroc": 0.9, "auprc": 0.6, "fpr95": 0.2}]
    values = [0.7, 0.95, 0.9, 0.99, 0.4, 0.4]
    s = 6 / sum(1 / value for value in values)
    o = 6 / sum(1 / value for value in (0.8, 0.3, 0.5, 0.9, 0.6, 0.8))
    expected = {"semantic": s, "ood": o, "index": 2 / (1 / s + 1 / o)}
    assert bravo_index(semantic, ood) == pytest.approx(expected)
    assert bravo_index(semantic) == pytest.approx({"semantic": s})
    assert bravo_index(semantic | {"fpr95": 1.0})["semantic"] == 0.0
