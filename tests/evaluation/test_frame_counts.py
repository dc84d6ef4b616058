import json

import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.metrics import class_counts, compute_iou
from segibn.evaluation.scores import Conditions, Scores
from segibn.files.writing import write_json


def random_confusions(count: int, k: int, seed: int = 0) -> np.ndarray:
    """Frames of which each holds two thirds of the classes."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 40_000, (count, k, k + 1))
    for frame in counts:
        absent = rng.uniform(size=k) < 1 / 3
        frame[absent] = 0
        frame[:, :k][:, absent] = 0
    return counts


def scores_of(confusions: np.ndarray) -> Scores:
    k = confusions.shape[1]
    names = tuple(f"frankfurt_000000_{number:06d}" for number in range(len(confusions)))
    counts = FrameCounts(names, np.stack([class_counts(frame) for frame in confusions]))
    return Scores(
        confusions.sum(axis=0),
        tuple(f"class{index}" for index in range(k)),
        Conditions("toy"),
        len(confusions),
        frames=names,
        frame_counts=counts,
    )


def test_iou_follows_from_the_four_counts():
    for confusion in random_confusions(5, 7):
        true_positive, target, pred, void = class_counts(confusion)
        union = target + pred - true_positive
        expected = compute_iou(confusion)
        np.testing.assert_array_equal(true_positive[union > 0] / union[union > 0], expected[union > 0])
        np.testing.assert_array_equal(void, confusion[:, -1])


def test_json_round_trip_is_exact():
    scores = scores_of(random_confusions(4, 5))
    read_back = Scores.from_dict(json.loads(json.dumps(scores.to_dict())))
    assert read_back.frame_counts.names == scores.frame_counts.names
    np.testing.assert_array_equal(read_back.frame_counts.counts, scores.frame_counts.counts)


def test_500_frames_of_19_classes_take_less_than_400_kib(tmp_path):
    write_json(tmp_path / "scores.json", scores_of(random_confusions(500, 19)).to_dict())
    assert (tmp_path / "scores.json").stat().st_size < 400 << 10


def test_a_chosen_part_comes_in_the_order_asked_for():
    counts = scores_of(random_confusions(4, 3)).frame_counts
    part = counts.of([counts.names[2], counts.names[0]])
    np.testing.assert_array_equal(part.counts, counts.counts[[2, 0]])


def test_frames_that_do_not_add_up_are_refused():
    plain = scores_of(random_confusions(3, 3)).to_dict()
    plain["confusion"][0][0] += 1
    with pytest.raises(SegibnError, match=r"a\.json .*do not add up"):
        Scores.from_dict(plain, "a.json")


@pytest.mark.parametrize("line", ["9:1,2,3,0", "0:1,2", "0:1", "0:1,2,3,x", "x"])
def test_a_damaged_line_is_refused(line):
    plain = scores_of(random_confusions(2, 3)).to_dict()
    plain["frame_counts"]["frames"]["frankfurt_000000_000001"] = line
    with pytest.raises(SegibnError, match=r"a\.json is not a segibn scores file"):
        Scores.from_dict(plain, "a.json")
