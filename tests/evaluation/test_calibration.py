import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from segibn.evaluation.calibration import Calibration
from segibn.evaluation.measure import Frame, FramePrediction


def random_frame(seed: int, classes: int = 5, size: tuple[int, int] = (20, 30)):
    """Return target, probabilities (K, H, W) float32 and their argmax."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(scale=2, size=(classes, *size)).astype(np.float32))
    probability = logits.softmax(dim=0).numpy()
    target = np.where(rng.uniform(size=size) < 0.5, probability.argmax(0), rng.integers(5, size=size))
    target[rng.uniform(size=size) < 0.1] = 255
    return target.astype(np.uint8), probability, probability.argmax(0).astype(np.uint8)


def add(metric: Calibration, target, pred, confidence) -> None:
    frame = Frame("frame", None, np.array(target, np.uint8))
    metric.update(frame, FramePrediction(np.array(pred), np.array(confidence)))


def updated(frames) -> Calibration:
    calibration = Calibration("abcde")
    for target, probability, pred in frames:
        add(calibration, target, pred, probability.max(0))
    return calibration


@pytest.mark.parametrize(("norm", "key"), [("l1", "ece"), ("max", "max_error")])
def test_error_is_that_of_torchmetrics(norm: str, key: str):
    frames = [random_frame(seed) for seed in range(3)]
    expected = multiclass_calibration_error(
        torch.from_numpy(np.stack([probability for _, probability, _ in frames])),
        torch.from_numpy(np.stack([target for target, _, _ in frames]).astype(np.int64)),
        num_classes=5,
        n_bins=15,
        norm=norm,
        ignore_index=255,
    )
    assert updated(frames).result()[key] == pytest.approx(float(expected), abs=2e-6)


def test_error_equals_a_loop_over_pixels_with_confidences_on_the_edges():
    confidence = np.array([[1.0, 1.0, 1 / 15, 0.5, 14 / 15, 0.0]])
    target, pred = np.array([[0, 1, 2, 255, 1, 1]]), np.array([[0, 0, 2, 0, 1, 0]])
    bins: dict[int, list[tuple[float, bool]]] = {}
    for t, p, c in zip(target[0], pred[0], confidence[0], strict=True):
        if t != 255:
            upper = next(b for b in range(15) if c <= (b + 1) / 15)
            bins.setdefault(upper, []).append((c, t == p))
    gaps = [abs(sum(c for c, _ in b) - sum(right for _, right in b)) for b in bins.values()]
    calibration = Calibration("abcde")
    add(calibration, target, pred, confidence)
    assert calibration.result()["ece"] == pytest.approx(sum(gaps) / 5, abs=1e-7)
    assert calibration.sums[0].tolist() == [2, *[0] * 12, 1, 2]


def test_sums_do_not_depend_on_the_order_of_frames():
    frames = [random_frame(seed) for seed in range(5)]
    np.testing.assert_array_equal(updated(frames).sums, updated(frames[::-1]).sums)


def test_a_network_that_knows_how_sure_to_be_has_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=(1000, 1000))
    right = rng.uniform(size=confidence.shape) < confidence
    calibration = Calibration("abcde")
    add(calibration, right.astype(np.uint8), np.ones_like(right, np.uint8), confidence)
    assert calibration.result()["ece"] < 0.002
    add(calibration, right.astype(np.uint8), np.zeros_like(right, np.uint8), confidence)
    assert calibration.result()["ece"] > 0.1


def test_what_is_no_probability_is_refused():
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"probabilities in 0\.\.1"):
            add(Calibration("abcde"), [[0, 1]], [[0, 1]], [[0.5, wrong]])
    with pytest.raises(ValueError, match="confidence is"):
        add(Calibration("abcde"), [[0, 1]], [[0, 1]], [[0.5]])


def test_no_pixels_give_null_in_the_json():
    calibration = Calibration("abcde")
    add(calibration, [[255]], [[0]], [[0.5]])
    plain = calibration.result()
    assert (plain["ece"], plain["max_error"], plain["bins"][0]["accuracy"]) == (None, None, None)
