from dataclasses import replace

import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.metrics import class_counts, compute_iou, compute_miou
from segibn.evaluation.resampling import Resampling, difference_intervals, permutation_test
from segibn.evaluation.run_comparison import NamedScores, compare_runs, format_comparison
from segibn.evaluation.scores import Conditions, Scores

CLASSES = ("road", "car", "train")
HOW = Resampling(resamples=500)


def make_run(skill: float, count: int = 40, title: str = "", **conditions: object) -> NamedScores:
    """Score frames of road and car, of which a share is found; the truth is always the same."""
    truth = np.random.default_rng(0).integers(50, 400, (count, 2))
    found = np.random.default_rng(int(1000 * skill)).binomial(truth, skill)
    confusions = np.zeros((count, 3, 4), int)
    for c in range(2):
        confusions[:, c, c] = found[:, c]
        confusions[:, c, 1 - c] = truth[:, c] - found[:, c]
    names = tuple(f"frame{number:02d}" for number in range(count))
    counts = FrameCounts(names, np.stack([class_counts(frame) for frame in confusions]))
    conditions = {"evaluation_set": "toy", "resolution": "8x8"} | conditions
    scores = Scores(confusions.sum(0), CLASSES, Conditions(**conditions), count, names, frame_counts=counts)
    return NamedScores(title or f"skill{skill}", scores)


def only(run: NamedScores, places: list[int]) -> NamedScores:
    """Return the scores of some frames alone, in another order."""
    counts = run.scores.frame_counts
    part = counts.of([counts.names[place] for place in places])
    both, target, pred, _ = part.counts.sum(axis=0)
    confusion = np.zeros((3, 4), int)
    for c in range(2):
        confusion[c, c], confusion[c, 1 - c] = both[c], target[c] - both[c]
    assert (class_counts(confusion)[2] == pred).all()
    changed = replace(run.scores, confusion=confusion, num_images=len(places), frame_counts=part, frames=part.names)
    return NamedScores(run.title, changed)


def test_classes_in_another_order_are_compared_by_name():
    a, b = make_run(0.7), make_run(0.8)
    order = [2, 0, 1]
    counts = replace(b.scores.frame_counts, counts=b.scores.frame_counts.counts[..., order])
    confusion = b.scores.confusion[order][:, [*order, 3]]
    names = tuple(CLASSES[place] for place in order)
    turned = replace(b.scores, class_names=names, confusion=confusion, frame_counts=counts)
    expected, found = (compare_runs(a, NamedScores(b.title, one), HOW) for one in (b.scores, turned))
    assert repr(found.classes) == repr(expected.classes)  # NaN equals NaN there
    assert found.mean == expected.mean
    assert found.b.scores.miou == b.scores.miou


def test_rows_hold_both_scores_and_what_resampling_finds():
    a, b = make_run(0.7), make_run(0.8)
    found = compare_runs(a, b, HOW)
    counts = [run.scores.frame_counts.counts for run in (a, b)]
    bounds = difference_intervals(*counts, "cityscapes", HOW)
    p = permutation_test(*counts, "cityscapes", HOW)
    for c, row in enumerate(found.classes[:2]):
        assert row.name == CLASSES[c]
        assert (row.a, row.b) == tuple(compute_iou(run.scores.confusion)[c] for run in (a, b))
        assert (row.low, row.high) == tuple(bounds.iou[:, c])
        assert row.p == pytest.approx(min(2 * p.iou[c], 1))  # two classes are asked about
    assert np.isnan(found.classes[2].p)
    assert (found.mean.a, found.mean.b) == pytest.approx([compute_miou(run.scores.confusion) for run in (a, b)])
    assert found.verdict.startswith("skill0.8 is better than skill0.7 on such frames: +")


def test_alike_runs_are_not_called_better():
    found = compare_runs(make_run(0.7), make_run(0.701), HOW)
    assert found.verdict.startswith("no difference is shown between skill0.701 and skill0.7")
    assert "*" not in format_comparison(found)


def test_the_order_of_frames_does_not_matter():
    a, b = make_run(0.7), make_run(0.75)
    turned = compare_runs(a, only(b, list(range(40))[::-1]), HOW)
    assert turned.to_dict() == compare_runs(a, b, HOW).to_dict()


def test_frames_that_differ_are_named_and_refused():
    a, b = make_run(0.7), make_run(0.8)
    with pytest.raises(SegibnError, match=r"only skill0.7 has frame38, frame39\. 38 are common"):
        compare_runs(a, only(b, list(range(38))), HOW)
    with pytest.raises(SegibnError, match=r"only skill0.8 has frame00, .* and 12 more\. 20 are"):
        compare_runs(only(a, list(range(20, 40))), b, HOW)


def test_common_frames_are_compared_when_asked_for_and_it_is_said():
    a, b = make_run(0.7), make_run(0.8)
    found = compare_runs(a, only(b, list(range(2, 40))), HOW, common_frames=True)
    part = only(a, list(range(2, 40)))
    assert found.num_frames == 38
    assert found.mean.a == pytest.approx(compute_miou(part.scores.confusion))
    assert "only 38 frames that both have" in format_comparison(found).splitlines()[0]
    with pytest.raises(SegibnError, match=r"0 are common to both$"):
        compare_runs(only(a, [0, 1]), only(b, [2, 3]), HOW, common_frames=True)


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"flip": True}, "flip no against yes"),
        ({"inference": "slide"}, "infer whole against slide"),
        ({"evaluation_set": "other"}, "set toy against other"),
        ({"policy": "bdd100k"}, "absent skip against skip-not-in-target"),
    ],
)
def test_other_conditions_are_refused_or_said_first(conditions: dict, text: str):
    a, b = make_run(0.7), make_run(0.8, **conditions)
    with pytest.raises(SegibnError, match=f"{text}.*--any-conditions"):
        compare_runs(a, b, HOW)
    lines = format_comparison(compare_runs(a, b, HOW, any_conditions=True)).splitlines()
    assert lines[0].startswith("WARNING: ")
    assert text in lines[0]
    assert a.scores.signature in lines
    assert b.scores.signature in lines


def test_another_version_is_said_and_not_refused():
    a, b = make_run(0.7), make_run(0.8)
    older = NamedScores(b.title, replace(b.scores, version="0.0.1"))
    assert "0.0.1; CHANGELOG.md" in compare_runs(a, older, HOW).warnings[0]


def test_other_truth_on_frames_of_the_same_name_is_refused():
    a, b = make_run(0.7), make_run(0.8)
    counts = b.scores.frame_counts.counts.copy()
    counts[3, 1, 0] += 1
    counts[3, 3, 0] += 1
    confusion = b.scores.confusion.copy()
    confusion[0, 3] += 1
    changed = FrameCounts(b.scores.frame_counts.names, counts)
    other = replace(b.scores, confusion=confusion, frame_counts=changed)
    with pytest.raises(SegibnError, match=r"different truth .* on frame03$"):
        compare_runs(a, NamedScores("b", other), HOW)


def test_scores_without_frame_counts_and_of_other_classes_are_refused():
    a, b = make_run(0.7), make_run(0.8)
    with pytest.raises(SegibnError, match=r"b holds no counts of single frames.*score the run"):
        compare_runs(a, NamedScores("b", replace(b.scores, frame_counts=None)), HOW)
    renamed = replace(b.scores, class_names=("road", "car", "bus"))
    with pytest.raises(SegibnError, match="different classes: train only in the first, bus only in the other"):
        compare_runs(a, NamedScores("b", renamed), HOW)
