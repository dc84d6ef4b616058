import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.measures import format_details, format_rates, with_intervals
from segibn.evaluation.metrics import class_counts
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Conditions, Scores

NAMES = ("road", "car", "train")


def make_scores(count: int) -> Scores:
    """Scores of frames that hold road and car, and never a train."""
    frames = np.random.default_rng(0).integers(1, 100, (count, 3, 4))
    frames[:, 2], frames[:, :, 2:] = 0, 0
    names = tuple(f"f{number}" for number in range(count))
    counts = FrameCounts(names, np.stack([class_counts(frame) for frame in frames]))
    return Scores(frames.sum(0), NAMES, Conditions("toy"), count, names, frame_counts=counts)


def test_details_hold_the_intervals_and_how_they_were_made():
    scores, how = make_scores(10), Resampling(level=0.9, resamples=300, seed=4)
    found = with_intervals(scores, how).details["intervals"]
    expected = bootstrap_intervals(scores.frame_counts.counts, "cityscapes", how)
    assert found["miou"] == expected.miou.tolist()
    assert found["iou"]["car"] == expected.iou[:, 1].tolist()
    assert found["iou"]["train"] is None
    assert (found["level"], found["resamples"], found["seed"]) == (0.9, 300, 4)


def test_a_single_frame_keeps_its_scores_and_has_no_interval():
    found = with_intervals(make_scores(1))
    assert found.details["intervals"]["miou"] is None
    assert format_details(found.details).splitlines()[-1].split() == ["mIoU", "-"]


def test_scores_without_frames_cannot_have_intervals():
    plain = Scores(np.ones((3, 4), int), NAMES, Conditions("toy"), 2)
    with pytest.raises(SegibnError, match="score the set again"):
        with_intervals(plain)


def test_rates_are_printed_in_per_cent_beside_iou():
    counts = np.array([[6, 2, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0]])
    lines = format_rates(Scores(counts, NAMES, Conditions("toy"), 1)).splitlines()
    assert lines[1].split() == ["road", "85.71", "75.00", "80.00", "66.67"]
    assert lines[3].split() == ["train", "-", "-", "-", "-"]
    # (8 * 6/9 + 4 * 3/6) / 12
    assert lines[5].split()[-2] == "61.11"


def test_the_frames_with_the_lowest_miou_are_named_first():
    scores = make_scores(8)
    alone = {}
    for name, counts in zip(scores.frames, scores.frame_counts.counts, strict=True):
        iou = [counts[0, c] / (counts[1, c] + counts[2, c] - counts[0, c]) for c in range(2)]
        alone[name] = f"{50 * sum(iou):.2f}"
    worst = sorted(alone, key=lambda name: float(alone[name]))[:5]
    last = format_rates(scores).splitlines()[-1]
    assert last == "lowest: " + ", ".join(f"{name} {alone[name]}" for name in worst)
