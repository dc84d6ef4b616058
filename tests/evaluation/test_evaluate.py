import threading
from dataclasses import replace

import numpy as np
import pytest

from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.evaluate import ScoreTally, evaluate
from segibn.evaluation.measure import Observer
from segibn.evaluation.scores import Conditions, Scores

NAMES = ("road", "car", "sky")


def make_frames(count: int, size: tuple[int, int] = (6, 8)) -> list[tuple]:
    rng = np.random.default_rng(0)
    frames = []
    for number in range(count):
        target = rng.choice(np.array([0, 1, 2, 255], np.uint8), size)
        frames.append((f"frame{number}", rng.integers(0, 255, (*size, 3), np.uint8), target))
    return frames


def predict(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] % 3).astype(np.uint8)


def predict_surely(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return predict(image), image[..., 1] / np.float32(255)


def measured(frames: list[tuple], **options: object) -> Scores:
    """Score with everything that is summed over ranks."""
    metrics = [BoundaryIoU(NAMES), Calibration(NAMES)]
    scores, *found = scored(frames, predict_surely, metrics, **options)
    pairs = zip(metrics, found, strict=True)
    return replace(scores, details={metric.name: result for metric, result in pairs})


def scored(frames, predict, measures=(), frame_names=None, **options: object) -> list:
    frames = list(frames)
    names = list(dict.fromkeys(frame[0] for frame in frames)) if frame_names is None else frame_names
    tally = ScoreTally(NAMES, Conditions("toy"), names)
    return evaluate(lambda images: [*map(predict, images)], frames, [tally, *measures], **options)


def scores_of(frames: list[tuple], **options: object) -> Scores:
    return scored(frames, predict, **options)[0]


def test_counts_equal_scoring_each_frame():
    frames = make_frames(4)
    counts = sum(count_classes(target, predict(image), 3) for _, image, target in frames)
    scores = scores_of(iter(frames))
    np.testing.assert_array_equal(scores.confusion, counts)
    assert scores.num_images == 4
    assert "|res:6x8|" in scores.signature


def test_resolution_is_mixed_when_frames_differ():
    frames = [*make_frames(2), ("other", *make_frames(1, (8, 6))[0][1:])]
    assert "|res:mixed|" in scores_of(frames).signature
    assert "|res:none|" in scores_of([]).signature


@pytest.mark.parametrize("count", [7, 1], ids=["uneven-shares", "one-rank-empty"])
def test_two_ranks_count_exactly_what_one_process_counts(count: int):
    frames = make_frames(count)
    names = [name for name, _, _ in frames]
    barrier = threading.Barrier(2)
    results: list[Scores | None] = [None, None]
    shared: dict[int, np.ndarray] = {}

    def run(rank: int) -> None:
        def sum_over_ranks(array: np.ndarray) -> np.ndarray:
            shared[rank] = array.copy()
            barrier.wait()
            total = shared[0] + shared[1]
            barrier.wait()
            return total

        results[rank] = measured(frames[rank::2], reduce=sum_over_ranks, frame_names=names)

    ranks = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(timeout=10)
    whole = measured(frames, frame_names=names)
    assert sum(row["pixels"] for row in whole.details["calibration"]["bins"]) > 0
    for result in results:
        assert result is not None
        assert result.to_dict() == whole.to_dict()
    for (_, image, target), counts in zip(frames, whole.frame_counts.counts, strict=True):
        np.testing.assert_array_equal(counts, counted_class_by_class(target, predict(image)))


def counted_class_by_class(target: np.ndarray, pred: np.ndarray) -> np.ndarray:
    valid = target != 255
    return np.array(
        [
            [((target == c) & (pred == c)).sum() for c in range(3)],
            [(target == c).sum() for c in range(3)],
            [((pred == c) & valid).sum() for c in range(3)],
            [((target == c) & (pred == 255)).sum() for c in range(3)],
        ]
    )


def test_a_frame_scored_twice_or_unnamed_is_named():
    frames = make_frames(2)
    with pytest.raises(ValueError, match="frame frame0: scored twice"):
        scores_of([*frames, frames[0]])
    with pytest.raises(ValueError, match="frame frame1: none of the 1 frames"):
        scores_of(frames, frame_names=["frame0"])
    with pytest.raises(ValueError, match=r"scored once; not so: frame1 \(0 times\)"):
        scores_of(frames[:1], frame_names=["frame0", "frame1"])


def test_a_wrong_prediction_names_its_frame():
    with pytest.raises(ValueError, match=r"frame frame0: target is 6x8 .* but pred is 3x4"):
        scored(make_frames(1), lambda image: predict(image)[::2, ::2])


def test_a_failing_predictor_keeps_its_error_and_names_the_frame():
    def fail(image: np.ndarray) -> np.ndarray:
        raise KeyError("inside")

    with pytest.raises(KeyError) as caught:
        scored(make_frames(1), fail)
    assert caught.value.__notes__ == ["while predicting frame frame0"]


def test_progress_and_observer_see_every_frame():
    done: list[int] = []
    seen: list[str] = []
    scores_of(
        make_frames(3), progress=done.append, measures=[Observer(lambda frame, prediction: seen.append(frame.name))]
    )
    assert done == [1, 2, 3]
    assert seen == ["frame0", "frame1", "frame2"]
