from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from segibn.errors import DatasetError, ImageFileError, LabelValueError, SegibnError
from segibn.evaluation.bdd100k_toolkit import score_toolkit
from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.drivable import BATCHES
from segibn.evaluation.measure import Frame, FramePrediction
from segibn.evaluation.score_cityscapes import score_cityscapes
from segibn.evaluation.score_folders import score_drivable, score_semseg
from segibn.files.encode import write_image, write_label_png
from segibn.labels.cityscapes import CITYSCAPES

# BDD100K's raw drivable values of background, direct and alternative.
LABEL_IDS = {"target_encoding": "label_ids", "pred_encoding": "label_ids"}
RAW = {"2018": np.array([0, 1, 2], np.uint8), "2021": np.array([2, 0, 1], np.uint8)}


def write(folder: Path, **maps: object) -> Path:
    for name, label_map in maps.items():
        write_label_png(folder / f"{name}.png", np.array(label_map, dtype=np.uint8))
    return folder


def random_maps(seed: int, high: int, count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, high, (12, 16)).astype(np.uint8) for _ in range(count)]


def named(maps: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"f{number}": label_map for number, label_map in enumerate(maps)}


def test_train_ids_score_as_the_counts_say(tmp_path: Path):
    targets, preds = random_maps(0, 19), random_maps(1, 19)
    targets[0][:3] = 255
    confusion = sum(map(count_classes, targets, preds, [19] * len(targets)))
    scores = score_semseg(write(tmp_path / "gt", **named(targets)), write(tmp_path / "pred", **named(preds)))
    np.testing.assert_array_equal(scores.confusion, confusion)
    assert scores.frames == ("f0", "f1", "f2")
    assert "|set:gt|n:3|K:19|" in scores.signature
    assert "|res:12x16|infer:files|" in scores.signature


def test_label_ids_are_mapped_and_counted_as_they_are_too(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[7, 8, 0, 26]])
    pred = write(tmp_path / "pred", a=[[7, 4, 26, 26]])
    scores = score_semseg(target, pred, **LABEL_IDS)
    expected = np.zeros((19, 20), dtype=np.int64)
    expected[0, 0] = expected[13, 13] = 1  # road and car; the target 0 is ignored
    expected[1, 19] = 1  # pavement predicted as the ignored label 4
    np.testing.assert_array_equal(scores.confusion, expected)
    by_label = scores.label_confusion
    assert by_label is not None
    assert by_label.label_ids == tuple(range(34))
    assert by_label.counts[0, 26] == by_label.counts[8, 4] == 1
    assert by_label.counts.sum() == 4


def test_camvid_label_ids_score_its_own_eleven_classes(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[0, 3, 11, 10]])
    pred = write(tmp_path / "pred", a=[[0, 3, 4, 8]])
    scores = score_semseg(target, pred, "camvid", **LABEL_IDS)
    assert len(scores.class_names) == 11
    assert scores.pixel_accuracy == pytest.approx(2 / 3)


OFFICIAL = {  # table -> label ids in a network's order of classes, and a value that is ignored
    "cityscapes": ([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33], 4),
    "gta5": ([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33], 4),
    "mapillary/robustnet": ([13, 15, 17, 6, 3, 45, 48, 50, 30, 29, 27, 19, 20, 55, 61, 54, 58, 57, 52], 65),
    "camvid": ([*range(11)], 11),
    "bdd100k": ([*range(19)], 255),
}


@pytest.mark.parametrize("labels", OFFICIAL)
@pytest.mark.parametrize("suffix", ["", "_gtFine_labelIds"])
def test_official_targets_and_train_ids_of_a_network_are_each_read_in_their_own(
    tmp_path: Path, labels: str, suffix: str
):
    ids, ignored = OFFICIAL[labels]
    preds = random_maps(0, len(ids), 2)
    targets = [np.array(ids)[pred] for pred in preds]
    targets[0][:2] = ignored
    gt = write(tmp_path / "gt", **{f"f{i}{suffix}": target for i, target in enumerate(targets)})
    pred = write(tmp_path / "pred", **named(preds))
    scores = score_semseg(gt, pred, labels)
    assert scores.miou == 1.0
    assert scores.confusion.sum() == 2 * 12 * 16 - 2 * 16
    assert scores.doubt == ""
    if labels == "cityscapes" and suffix:  # the script reads label ids also where both are there
        other = {f"f{i}_gtFine_labelTrainIds": np.zeros((12, 16)) for i in range(2)}
        official = score_cityscapes(write(gt, **other), pred, instances=False)
        np.testing.assert_array_equal(official.scores.confusion, scores.confusion)
        assert official.official()["averageScoreClasses"] == 1.0


def test_values_that_are_legal_in_both_encodings_are_doubted_where_the_other_would_match(tmp_path: Path):
    road_and_building = np.array([[7, 7, 11, 11]])
    gt = write(tmp_path / "gt", a_gtFine_labelIds=road_and_building)
    same = write(tmp_path / "same", a=road_and_building)
    scores = score_semseg(gt, same)  # predictions without another sign are train ids
    assert scores.miou == 0
    assert "100.00 % would, reading the predictions as label_ids" in scores.to_dict()["doubt"]
    assert score_semseg(gt, same, pred_encoding="label_ids").doubt == ""
    unrelated = write(tmp_path / "unrelated", a=np.array([[18, 18, 18, 18]]))
    assert "nearly nothing matches: 0.00 %" in score_semseg(gt, unrelated).doubt
    void = write(tmp_path / "void", a_gtFine_labelIds=np.array([[0, 1, 2, 3]]))
    assert "nothing was scored" in score_semseg(void, unrelated).doubt
    in_label_ids = write(tmp_path / "ids", a=np.array([[26, 26, 33, 33]]))
    toolkit = score_toolkit(write(tmp_path / "car", a=np.array([[13, 13, 18, 18]])), in_label_ids)
    assert "predictions as Cityscapes label ids" in toolkit.scores.doubt


def test_colours_tell_the_encoding_where_values_do_not(tmp_path: Path):
    train_ids = np.array([[0, 0, 2, 2, 2]], np.uint8)
    label_ids = CITYSCAPES.to_label_ids(train_ids)  # 7 and 11: train ids too
    palette = np.zeros((256, 3), np.uint8)
    palette[CITYSCAPES.inverse[:19]] = CITYSCAPES.palette
    image = Image.fromarray(label_ids)
    image.putpalette(palette.tobytes())
    for side in ("gt", "ids", "colours"):
        (tmp_path / side).mkdir()
    image.save(tmp_path / "ids/a.png")
    write_image(tmp_path / "colours/a.png", CITYSCAPES.palette[train_ids])
    void = np.concatenate([CITYSCAPES.palette[train_ids], [[(111, 74, 0)]]], axis=1)
    write_image(tmp_path / "gt/a.png", void.astype(np.uint8)[:, 1:])  # dynamic: in label ids alone
    targets = write(tmp_path / "named", a_gtFine_labelIds=label_ids)
    for pred in ("ids", "colours"):
        assert score_semseg(targets, tmp_path / pred).miou == 1
    seen = write(tmp_path / "seen", a=[[0, 2, 2, 2, 5]])
    assert score_semseg(tmp_path / "gt", seen).miou == 1


def test_targets_of_one_class_are_doubted(tmp_path: Path):
    one = write(tmp_path / "gt", a=[[3, 3, 255]])
    assert "the targets hold one class alone" in score_semseg(one, one).to_dict()["doubt"]


def test_pictures_given_for_label_maps_are_an_error_that_says_where_the_maps_are(tmp_path: Path):
    gt = write(tmp_path / "gt", a=[[0, 1]])
    write_image(tmp_path / "pred/a.png", np.full((1, 2, 3), (9, 8, 7), np.uint8))
    with pytest.raises(ImageFileError, match=r"pred/a\.png.*writes label maps to `labels`"):
        score_semseg(gt, tmp_path / "pred")


def test_bdd100k_policy_counts_missing_and_unknown_predictions_as_void(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[0, 0]], b=[[0, 1]])
    pred = write(tmp_path / "pred", a=[[0, 77]])
    scores = score_semseg(target, pred, "bdd100k", policy="bdd100k")
    assert scores.confusion[0, 0] == 1
    assert scores.confusion[:, 19].tolist()[:2] == [2, 1]
    assert scores.miou == pytest.approx((1 / 3 + 0) / 2)


def test_cityscapes_policy_lists_missing_predictions(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[0]], b=[[0]])
    pred = write(tmp_path / "pred", a=[[0]])
    with pytest.raises(DatasetError, match=r"1 of 2 targets have no prediction .*: b"):
        score_semseg(target, pred)


def test_an_unknown_value_names_file_value_and_option(tmp_path: Path):
    good = write(tmp_path / "good", a=[[0, 1]])
    bad = write(tmp_path / "bad", a=[[0, 77]])
    for target, pred, role in ((bad, good, "target"), (good, bad, "pred")):
        with pytest.raises(LabelValueError, match=rf"bad/a\.png.*77.*--{role}-encoding"):
            score_semseg(target, pred)


def test_another_size_names_both_files_and_sizes(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[0, 1]])
    pred = write(tmp_path / "pred", a=[[0], [1]])
    with pytest.raises(ImageFileError, match=r"pred/a\.png is 2x1 .*gt/a\.png is 1x2"):
        score_semseg(target, pred)


def test_a_truncated_prediction_is_named(tmp_path: Path):
    target = write(tmp_path / "gt", a=random_maps(0, 19)[0])
    pred = write(tmp_path / "pred", a=random_maps(1, 19)[0])
    whole = (pred / "a.png").read_bytes()
    (pred / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageFileError, match=r"pred/a\.png"):
        score_semseg(target, pred)


def drivable_maps(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.choice(3, (20, 30), p=[0.8, 0.12, 0.08]) for _ in range(3)]


def write_drivable(folder: Path, maps: list[np.ndarray], encoding: str, suffix: str = "") -> Path:
    for number, label_map in enumerate(maps):
        write_label_png(folder / f"f{number}{suffix}.png", RAW[encoding][label_map])
    return folder


@pytest.mark.parametrize("target_encoding", ["2018", "2021"])
@pytest.mark.parametrize("pred_encoding", ["2018", "2021"])
def test_drivable_scores_do_not_depend_on_the_encoding(tmp_path: Path, target_encoding: str, pred_encoding: str):
    targets, preds = drivable_maps(0), drivable_maps(1)
    scores = score_drivable(
        write_drivable(tmp_path / "gt", targets, target_encoding),
        write_drivable(tmp_path / "pred", preds, pred_encoding),
    )
    confusion = sum(map(count_classes, targets, preds, [3] * len(targets)))
    np.testing.assert_array_equal(scores.scores.confusion, confusion)
    assert (scores.target_encoding, scores.pred_encoding) == (target_encoding, pred_encoding)
    assert scores.doubt == ""


def test_the_2018_suffix_decides_for_predictions_without_majority(tmp_path: Path):
    target = write_drivable(tmp_path / "gt", drivable_maps(0), "2018", "_drivable_id")
    all_direct = [np.ones((20, 30), dtype=int)] * 3
    plain = write_drivable(tmp_path / "plain", all_direct, "2018")
    with pytest.raises(DatasetError, match=r"--pred-encoding: 2018 .* or 2021"):
        score_drivable(target, plain)
    suffixed = write_drivable(tmp_path / "suffixed", all_direct, "2018", "_drivable_id")
    assert score_drivable(target, suffixed).miou["A"] > 0


def test_a_2018_name_on_2021_data_is_an_error(tmp_path: Path):
    target = write_drivable(tmp_path / "gt", drivable_maps(0), "2021", "_drivable_id")
    with pytest.raises(DatasetError, match="--target-encoding"):
        score_drivable(target, target)


@pytest.mark.parametrize(("true", "given"), [("2018", "2021"), ("2021", "2018")])
def test_a_given_target_encoding_is_believed_but_doubted(tmp_path: Path, true: str, given: str):
    target = write_drivable(tmp_path / "gt", drivable_maps(0), true)
    scores = score_drivable(target, target, target_encoding=given)
    assert scores.target_encoding == given
    assert f"which is that of {true}" in scores.doubt


def test_a_given_prediction_encoding_is_believed_but_doubted(tmp_path: Path):
    target = write_drivable(tmp_path / "gt", drivable_maps(0), "2018")
    scores = score_drivable(target, target, pred_encoding="2021")
    assert scores.pred_encoding == "2021"
    assert "read in the 2021 encoding" in scores.doubt


def test_a_map_of_the_other_drivable_release_is_doubted(tmp_path: Path):
    road_below = np.repeat([0, 1], 15)[:, None].repeat(40, axis=1)
    target = write_drivable(tmp_path / "gt", [road_below] * 9, "2018")
    assert score_drivable(target, target).doubt == ""
    write_drivable(target, [road_below], "2021")  # in place of the first
    doubt = score_drivable(target, target).doubt
    assert "1 map of the 9 looked at" in doubt
    assert "gt/f0.png" in doubt


def test_drivable_values_above_two_name_the_file(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[0, 0, 0, 1]])
    pred = write(tmp_path / "pred", a=[[0, 0, 0, 255]])
    with pytest.raises(LabelValueError, match=r"pred/a\.png.*255"):
        score_drivable(target, pred)


def test_drivable_report_names_four_definitions_and_no_bare_miou(tmp_path: Path):
    target = write_drivable(tmp_path / "gt", drivable_maps(0), "2018")
    scores = score_drivable(target, target)
    plain = scores.to_dict()
    assert plain["drivable_miou"] == dict.fromkeys("ABCD", 1.0)
    assert "miou" not in plain
    lines = scores.format_table().splitlines()
    assert [line[0] for line in lines[:4]] == list("ABCD")
    assert [line.split()[0] for line in lines[4:6]] == list(BATCHES)
    assert plain["drivable_batched_miou"].keys() == BATCHES.keys()


def test_every_error_is_one_the_user_can_mend(tmp_path: Path):
    with pytest.raises(SegibnError, match="nowhere"):
        score_semseg(tmp_path / "nowhere", tmp_path)


def test_progress_counts_files(tmp_path: Path):
    target = write(tmp_path / "gt", a=[[0]], b=[[0]])
    seen: list[tuple[int, int]] = []
    score_semseg(target, target, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_frames_add_up_under_both_drivable_encodings(tmp_path: Path):
    targets, preds = drivable_maps(0), drivable_maps(1)
    found = score_drivable(
        write_drivable(tmp_path / "gt", targets, "2021"), write_drivable(tmp_path / "pred", preds, "2018")
    ).scores.frame_counts
    assert found.names == ("f0", "f1", "f2")
    for target, pred, counts in zip(targets, preds, found.counts, strict=True):
        assert counts[0].tolist() == [((target == c) & (pred == c)).sum() for c in range(3)]
        assert counts[2].tolist() == [(pred == c).sum() for c in range(3)]


def test_boundary_of_files_in_label_ids_is_that_of_their_classes(tmp_path: Path):
    target = np.kron(np.array([[7, 8], [11, 4]]), np.ones((20, 20))).astype(np.uint8)
    pred = np.roll(target, 3, axis=0)
    folders = write(tmp_path / "gt", a=target), write(tmp_path / "pred", a=pred)
    scores = score_semseg(*folders, **LABEL_IDS, measures=["boundary"])
    counts = BoundaryIoU(CITYSCAPES.class_names)
    lookup = np.full(256, 255)
    lookup[[7, 8, 11]] = 0, 1, 2
    counts.update(Frame("a", None, lookup[target]), FramePrediction(lookup[pred]))
    assert scores.details["boundary"]["counts"] == counts.sums.tolist()


def test_scores_of_classes_are_resized_as_logits_are(tmp_path):
    random, expected = np.random.default_rng(0), np.zeros((19, 20), int)
    for name in ("a", "b"):
        target = random.integers(0, 19, (24, 32), dtype=np.uint8)
        write_label_png(tmp_path / "target" / f"{name}_labelTrainIds.png", target)
        scores = random.normal(size=(19, 6, 8)).astype(np.float16)
        (tmp_path / "pred").mkdir(exist_ok=True)
        np.savez_compressed(tmp_path / "pred" / f"{name}.npz", scores=scores)
        logits = torch.from_numpy(scores.astype(np.float32))[None]
        pred = F.interpolate(logits, (24, 32), mode="bilinear")[0].argmax(0).numpy()
        np.add.at(expected, (target, pred), 1)
    found = score_semseg(tmp_path / "target", tmp_path / "pred")
    np.testing.assert_array_equal(found.confusion, expected)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"scores": np.zeros((3, 4, 4), np.float32)}, r"not finite floats \(19, h, w\)"),
        ({"scores": np.full((19, 4, 4), np.nan)}, "not finite floats"),
        ({"logits": np.zeros((19, 4, 4))}, "no array `scores`"),
        ({"scores": np.array([{}])}, "no array `scores`"),
        (b"PK", "no array `scores`"),
    ],
)
def test_scores_that_are_none_are_refused_by_file(tmp_path, content, fault):
    write_label_png(tmp_path / "target" / "a_labelTrainIds.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "pred").mkdir()
    if isinstance(content, bytes):
        (tmp_path / "pred" / "a.npz").write_bytes(content)
    else:
        np.savez(tmp_path / "pred" / "a.npz", **content)
    with pytest.raises(ImageFileError, match=rf"a\.npz: .*{fault}"):
        score_semseg(tmp_path / "target", tmp_path / "pred")
