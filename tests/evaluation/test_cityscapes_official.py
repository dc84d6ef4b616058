"""The official evaluation equals cityscapesScripts to the last digit, down to the file's bytes."""

import copy
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from segibn.errors import DatasetError, ImageFileError, LabelValueError
from segibn.evaluation.cityscapes_official import count_instances
from segibn.evaluation.score_cityscapes import CityscapesScores, score_cityscapes
from segibn.files.encode import write_label_png
from segibn.files.folders import list_files
from segibn.files.pictures import read_label_map


def run_script(pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, **changed) -> dict:
    """Run the official script on (prediction, target) files with some of its options changed."""
    script = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # NumPy 2.4 dropped the name
    options = copy.copy(script.args)
    for name, value in ({"quiet": True} | changed).items():
        setattr(options, name, value)
    return script.evaluateImgLists(*map(list, zip(*pairs, strict=True)), options)


def assert_equals_script(
    target_dir: Path, pred_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CityscapesScores:
    targets = list_files(target_dir, ("_labelIds.png",), recursive=True)
    stems = [path.name.split("_gtFine")[0] for path in targets]
    preds = [next(pred_dir.glob(f"{stem}*.png")) for stem in stems]
    pairs = [(str(pred), str(target)) for pred, target in zip(preds, targets, strict=True)]
    # With per-image scores the script cannot write its JSON: they are NumPy integers.
    expected = run_script(pairs, monkeypatch, evalPixelAccuracy=True, JSONOutput=False)
    as_the_script = {"pred_encoding": "label_ids"}
    ours = score_cityscapes(target_dir, pred_dir, per_image=True, **as_the_script).official()
    assert ours.keys() == expected.keys()
    for key in expected:
        np.testing.assert_equal(ours[key], expected[key], err_msg=key)
    run_script(pairs, monkeypatch, exportFile=str(tmp_path / "theirs.json"))
    scores = score_cityscapes(target_dir, pred_dir, **as_the_script)
    scores.write_official(tmp_path / "ours.json")
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()
    return scores


def write_frame(folder: Path, number: int, target: np.ndarray, instances: np.ndarray, pred: np.ndarray) -> None:
    stem = f"city_{number:06d}_000019"
    write_label_png(folder / f"gt/city/{stem}_gtFine_labelIds.png", target.astype(np.uint8))
    path = folder / f"gt/city/{stem}_gtFine_instanceIds.png"
    cv2.imwrite(str(path), instances.astype(np.uint16))
    write_label_png(folder / f"pred/{stem}_pred.png", pred.astype(np.uint8))


def random_frame(rng: np.random.Generator, ids: np.ndarray) -> tuple[np.ndarray, ...]:
    """Label ids in blocks of 4 x 4, up to three objects of a class, others a group's plain id."""
    target = rng.choice(ids, (10, 14)).repeat(4, 0).repeat(4, 1)
    numbers = rng.integers(0, 4, (5, 7)).repeat(8, 0).repeat(8, 1)
    is_object = (target >= 24) & (numbers < 3)
    instances = np.where(is_object, target * 1000 + numbers, target)
    wrong = rng.random(target.shape) < 0.4
    return target, instances, np.where(wrong, rng.choice(ids, target.shape), target)


@pytest.mark.parametrize(
    "ids",
    [range(34), [0, 3, 7, 8, 26, 29], [7, 11, 23], [24, 25, 29, 30], [0, 5]],
    ids=["every-id", "few", "no-objects", "ignored-vehicles", "void-only"],
)
def test_random_maps_score_as_the_script_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[int]):
    rng = np.random.default_rng(len(ids))
    for number in range(4):
        write_frame(tmp_path, number, *random_frame(rng, np.array(ids)))
    scores = assert_equals_script(tmp_path / "gt", tmp_path / "pred", tmp_path, monkeypatch)
    assert len(np.unique(read_label_map(next((tmp_path / "pred").iterdir())))) == len(ids)
    folded = scores.scores.miou
    assert folded == pytest.approx(scores.official()["averageScoreClasses"], nan_ok=True)


@pytest.mark.real_data
def test_real_frames_score_as_the_script_says(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    truth = real_data / "cityscapes/gtFine/train"
    rng = np.random.default_rng(0)
    for path in list_files(truth, ("_labelIds.png",), recursive=True):
        # The truth moved by 24 pixels, with noise of every id: mistakes of every kind.
        pred = np.roll(read_label_map(path), 24, axis=1)
        noisy = rng.random(pred.shape) < 0.02
        pred[noisy] = rng.integers(0, 34, int(noisy.sum()))
        stem = path.name.removesuffix("_gtFine_labelIds.png")
        write_label_png(tmp_path / "pred" / f"{stem}.png", pred)
    scores = assert_equals_script(truth, tmp_path / "pred", tmp_path, monkeypatch)
    averages = [value for key, value in scores.official().items() if key.startswith("average")]
    assert len(averages) == 4
    assert all(0.1 < value < 0.95 for value in averages)


def test_a_small_object_weighs_as_much_as_an_average_one(tmp_path: Path):
    target = np.full((10, 20), 7)
    target[:, :10], target[0, 10:14] = 26, 26
    instances = np.where(target == 26, 26001, target)
    instances[0, 10:14] = 26002
    pred = target.copy()
    pred[0, 10:14] = 7  # the small car is missed
    write_frame(tmp_path, 0, target, instances, pred)
    found = score_cityscapes(tmp_path / "gt", tmp_path / "pred").official()
    assert found["classScores"]["car"] == 100 / 104
    assert found["classInstScores"]["car"] == pytest.approx(0.5)
    assert found["categoryInstScores"]["vehicle"] == pytest.approx(0.5)
    assert math.isnan(found["classInstScores"]["road"])


def test_a_caravan_is_a_vehicle_to_iiou_only(tmp_path: Path):
    target = np.full((4, 4), 26)
    pred = target.copy()
    pred[0] = 29
    write_frame(tmp_path, 0, target, np.full((4, 4), 26000) + 1, pred)
    found = score_cityscapes(tmp_path / "gt", tmp_path / "pred").official()
    assert found["categoryScores"]["vehicle"] == 0.75
    assert found["categoryInstScores"]["vehicle"] == 1


def test_the_license_plate_is_in_no_table(tmp_path: Path):
    write_frame(tmp_path, 0, *([np.full((4, 4), 7)] * 3))
    found = score_cityscapes(tmp_path / "gt", tmp_path / "pred").official()
    assert "license plate" not in found["labels"] | found["priors"] | found["classScores"]
    assert np.shape(found["confMatrix"]) == (34, 34)


@pytest.mark.parametrize("value", [34, 255], ids=["gta5-plate", "plate-as-uint8"])
@pytest.mark.parametrize("role", ["gt", "pred"])
def test_a_value_that_is_no_label_id_names_its_file(tmp_path: Path, role: str, value: int):
    maps = {"gt": np.full((4, 4), 7), "pred": np.full((4, 4), 7)}
    maps[role][1, 1] = value
    write_frame(tmp_path, 0, maps["gt"], np.full((4, 4), 7), maps["pred"])
    with pytest.raises(LabelValueError, match=rf"{role}/.*{value} \(1 pixels\)"):
        score_cityscapes(tmp_path / "gt", tmp_path / "pred")


@pytest.mark.parametrize(("value", "what"), [(7001, "'road', which has no instances"), (40000, "no label id")])
def test_an_impossible_instance_names_its_file(tmp_path: Path, value: int, what: str):
    write_frame(tmp_path, 0, np.full((4, 4), 7), np.full((4, 4), value), np.full((4, 4), 7))
    with pytest.raises(LabelValueError, match=rf"instanceIds\.png: instance id {value} .*{what}"):
        score_cityscapes(tmp_path / "gt", tmp_path / "pred")


def test_missing_instances_can_be_left_out(tmp_path: Path):
    write_label_png(tmp_path / "gt/a_000000_000019_gtFine_labelIds.png", np.full((4, 4), 26, "u1"))
    write_label_png(tmp_path / "pred/a_000000_000019.png", np.full((4, 4), 26, "u1"))
    with pytest.raises(DatasetError, match=r"has no \*_instanceIds\.png .*--no-instances"):
        score_cityscapes(tmp_path / "gt", tmp_path / "pred")
    scores = score_cityscapes(tmp_path / "gt", tmp_path / "pred", instances=False)
    assert scores.official()["averageScoreClasses"] == 1
    assert math.isnan(scores.official()["averageScoreInstClasses"])
    assert scores.signature.endswith("|instances:no")
    assert json.loads(json.dumps(scores.to_dict()))["averageScoreInstClasses"] is None


def test_instances_of_another_size_name_their_file(tmp_path: Path):
    write_frame(tmp_path, 0, np.full((4, 4), 7), np.full((4, 5), 7), np.full((4, 4), 7))
    with pytest.raises(ImageFileError, match=r"instanceIds\.png is 4x5"):
        score_cityscapes(tmp_path / "gt", tmp_path / "pred")


def test_objects_are_counted_as_a_loop_over_masks_counts_them():
    rng = np.random.default_rng(3)
    _, instances, pred = random_frame(rng, np.arange(34))
    found = count_instances(instances.astype(np.uint16), pred.astype(np.uint8))
    expected = []
    for value in np.unique(instances[instances > 1000]):
        label_id, mask = value // 1000, instances == value
        if label_id in (29, 30):
            continue
        category = (24, 25) if label_id < 26 else tuple(range(26, 34))
        hits = (pred[mask] == label_id).sum()
        expected.append((label_id, mask.sum(), hits, np.isin(pred[mask], category).sum()))
    np.testing.assert_array_equal(found.T, expected)
