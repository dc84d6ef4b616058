"""Scores of logits against their formulas, and AUROC against every pair of pixels."""

import numpy as np
import pytest

from segibn.evaluation.ood import OOD_SCORES, OodTally, ordered_levels


def test_scores_are_those_of_the_papers() -> None:
    logits = 4 * np.random.default_rng(0).normal(size=(7, 5, 6))
    p = np.exp(logits) / np.exp(logits).sum(0)
    expected = {
        "max-softmax": 1 - p.max(0),
        "max-logit": -logits.max(0),
        "energy": -np.log(np.exp(logits).sum(0)),
        "entropy": -(p * np.log(p)).sum(0),
    }
    assert list(OOD_SCORES) == list(expected)
    for name, score in OOD_SCORES.items():
        np.testing.assert_allclose(score(logits), expected[name], rtol=1e-9)


def test_auroc_is_the_share_of_pairs_in_the_right_order_and_void_is_left_out() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(5, 20, 20)).astype(np.float32) * 6
    truth = random.choice([0, 1, 255], (20, 20), p=[0.6, 0.3, 0.1]).astype(np.uint8)
    tally = OodTally()
    tally.add(logits[:, :10], truth[:10])
    tally.add(logits[:, 10:], truth[10:])
    for name, found in tally.result().items():
        score = OOD_SCORES[name](logits)
        known, unknown = score[truth == 0], score[truth == 1]
        pairs = (unknown[:, None] > known) + 0.5 * (unknown[:, None] == known)
        assert found["auroc"] == pytest.approx(pairs.mean(), abs=1e-3)


def test_levels_keep_the_order_of_numbers_of_any_size() -> None:
    values = np.array([-1e30, -50, -2.4001, -2.4, -1e-4, 0, 1e-4, 3, 1e30])
    levels = ordered_levels(values)
    assert (np.diff(levels) > 0).all()
    assert levels.min() >= 0
    assert levels.max() < 1 << 20


def test_without_unknown_pixels_there_is_no_number() -> None:
    tally = OodTally()
    tally.add(np.zeros((3, 4, 4)), np.zeros((4, 4), np.uint8))
    assert tally.result()["energy"] == {"auroc": None, "auprc": None, "fpr95": None}
