"""The BDD100K toolkit's numbers: its own test cases, and its formula on random maps."""

import json
from pathlib import Path

import numpy as np
import pytest

from segibn.errors import DatasetError, ImageFileError, LabelValueError
from segibn.evaluation.bdd100k_toolkit import TASKS, score_toolkit
from segibn.evaluation.drivable import drivable_miou
from segibn.files.encode import write_label_png
from segibn.files.rle import encode_rle
from segibn.files.writing import write_json


def toolkit_formula(targets: list, preds: list, num_classes: int) -> dict[str, float]:
    """The toolkit's definition, spelled out: index K is void, void targets leave."""
    hist = np.zeros((num_classes + 1, num_classes + 1))
    for target, pred in zip(targets, preds, strict=True):
        pred = np.full_like(target, num_classes) if pred is None else pred.clip(max=num_classes)
        valid = target < num_classes
        np.add.at(hist, (target[valid], pred[valid]), 1)
    hits, rows, columns = np.diag(hist)[:-1], hist.sum(1)[:-1], hist.sum(0)[:-1]
    union = np.maximum(rows + columns - hits, 1)
    present = rows > 0
    return {
        "mIoU": 100 * (hits / union)[present].mean(),
        "mAcc": 100 * (hits / np.maximum(columns, 1))[present].mean(),
        "fIoU": 100 * (hits / union * rows / rows.sum()).sum(),
        "pAcc": 100 * hits.sum() / rows.sum(),
    }


def write_masks(folder: Path, maps: list) -> Path:
    for number, label_map in enumerate(maps):
        if label_map is not None:
            write_label_png(folder / f"f{number}.png", label_map.astype(np.uint8))
    return folder


def write_rle(path: Path, maps: list, names: dict[int, str], suffix: str) -> Path:
    """Write one label for each value that has a name, as the toolkit's converter does."""
    frames = []
    for number, label_map in enumerate(maps):
        if label_map is None:
            continue
        labels = [
            {"id": str(value), "category": name, "rle": encode_rle(label_map == value)}
            for value, name in names.items()
            if (label_map == value).any()
        ]
        frames.append({"name": f"f{number}.{suffix}", "labels": labels})
    write_json(path, {"frames": frames, "groups": None, "config": None})
    return path


def random_case(task: str) -> tuple[list, list]:
    """Three targets with ignored pixels, two predictions with values that are no class."""
    rng = np.random.default_rng(len(task))
    values = [0, 1, 3, 8, 18, 255] if task == "sem_seg" else [0, 1, 2, 2, 2, 2, 2, 255]
    targets = [rng.choice(values, (9, 12)) for _ in range(3)]
    preds = [np.where(rng.random((9, 12)) < 0.3, rng.integers(0, 60), t) for t in targets]
    return targets, [*preds[:2], None]


@pytest.mark.parametrize("task", TASKS)
def test_random_masks_score_as_the_formula_says(tmp_path: Path, task: str):
    targets, preds = random_case(task)
    gt, pred = write_masks(tmp_path / "gt", targets), write_masks(tmp_path / "pred", preds)
    scores = score_toolkit(gt, pred, task)
    expected = toolkit_formula(targets, preds, 19 if task == "sem_seg" else 2)
    assert scores.summary() == pytest.approx(expected, rel=1e-14)
    assert scores.signature.startswith(f"bdd100k-{task}-miou|set:gt|n:3|")
    assert scores.scores.frames == ("f0", "f1", "f2")


@pytest.mark.parametrize("task", TASKS)
def test_rle_scores_exactly_what_masks_score(tmp_path: Path, task: str):
    pytest.importorskip("pycocotools")
    targets, preds = random_case(task)
    names = dict(enumerate(TASKS[task].class_names))
    # The model zoo writes the background too, the toolkit's own converter does not.
    with_background = names | ({2: "background"} if task == "drivable" else {})
    masks = write_masks(tmp_path / "gt", targets), write_masks(tmp_path / "pred", preds)
    runs = (
        write_rle(tmp_path / "gt.json", targets, names, "jpg"),
        write_rle(tmp_path / "rle/0.json", preds, with_background, "png").parent,
    )
    from_masks, from_runs = score_toolkit(*masks, task), score_toolkit(*runs, task)
    np.testing.assert_array_equal(from_masks.scores.confusion, from_runs.scores.confusion)
    assert from_masks.results() == from_runs.results()


def test_drivable_of_the_toolkit_is_definition_c(tmp_path: Path):
    rng = np.random.default_rng(0)
    targets = [rng.choice([0, 1, 2], (20, 20), p=[0.2, 0.1, 0.7]) for _ in range(2)]
    preds = [rng.integers(0, 3, (20, 20)) for _ in range(2)]
    gt, pred = write_masks(tmp_path / "gt", targets), write_masks(tmp_path / "pred", preds)
    in_2018 = np.zeros((3, 3), dtype=np.int64)
    np.add.at(in_2018, tuple((np.array(maps).ravel() + 1) % 3 for maps in (targets, preds)), 1)
    found = score_toolkit(gt, pred, "drivable").summary()["mIoU"]
    assert found == pytest.approx(100 * drivable_miou(in_2018)["C"], rel=1e-15)


def test_drivable_targets_of_the_2018_encoding_are_scored_as_the_toolkit_does_with_a_doubt(tmp_path: Path):
    maps = [np.array([[0] * 8 + [1, 2]])]
    gt = write_masks(tmp_path / "gt", maps)
    found = score_toolkit(gt, gt, "drivable")
    assert found.summary() == pytest.approx(toolkit_formula(maps, maps, 2))
    assert "which is that of 2018" in found.to_dict()["doubt"]


def test_an_unknown_value_of_a_target_is_an_error(tmp_path: Path):
    gt = write_masks(tmp_path / "gt", [np.array([[0, 33]])])
    with pytest.raises(LabelValueError, match=r"gt/f0\.png.*33"):
        score_toolkit(gt, gt)


def test_masks_are_not_compared_with_rle(tmp_path: Path):
    gt = write_masks(tmp_path / "gt", [np.zeros((2, 2))])
    write_json(tmp_path / "pred.json", [])
    with pytest.raises(DatasetError, match=r"gt holds masks .*pred\.json holds RLE"):
        score_toolkit(gt, tmp_path / "pred.json")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({"labels": []}, "no list of frames"),
        ([{"labels": []}], "'name'"),
        ([{"name": "a.jpg", "labels": [{"rle": {}}]}], "'category'"),
        ([{"name": "a.jpg", "labels": [{"category": "road", "poly2d": []}]}], "polygon"),
        ([{"name": "a.jpg"}, {"name": "a.png"}], "frame 'a' is also in"),
        ([{"name": "a.jpg", "labels": [{"category": "street", "rle": {}}]}], "it has street"),
        ([{"name": "b.jpg"}], "belongs to a target .* predictions like 'b'"),
    ],
)
def test_a_file_in_another_format_is_named(tmp_path: Path, frames: object, message: str):
    write_json(tmp_path / "gt.json", [{"name": "a.jpg", "labels": []}])
    write_json(tmp_path / "pred.json", frames)
    with pytest.raises(DatasetError, match=rf"(?s)pred\.json.*{message}"):
        score_toolkit(tmp_path / "gt.json", tmp_path / "pred.json")


def test_a_mask_of_another_size_names_its_frame(tmp_path: Path):
    pytest.importorskip("pycocotools")
    gt = write_rle(tmp_path / "gt.json", [np.zeros((4, 4))], {0: "road"}, "jpg")
    pred = write_rle(tmp_path / "pred.json", [np.zeros((4, 5))], {0: "road"}, "jpg")
    with pytest.raises(ImageFileError, match=r"pred\.json, frame f0\.jpg: masks of \(4, 5\)"):
        score_toolkit(gt, pred)


def test_the_report_is_strict_json_in_the_toolkits_layout(tmp_path: Path):
    gt = write_masks(tmp_path / "gt", [np.array([[0, 1]])])
    plain = json.loads(json.dumps(score_toolkit(gt, gt).to_dict(), allow_nan=False))
    assert plain["toolkit"]["IoU"][1] == {"AVERAGE": 100.0}
    assert plain["toolkit"]["Acc"][0]["road"] == 100.0
    assert plain["miou"] == 1.0
    assert plain["signature"].startswith("bdd100k-sem_seg-")


ORACLES = {
    "gt": {"mIoU": 61.73469387755102, "mAcc": 81.27147766323024, "fIoU": 90.91836734693878, "pAcc": 95.0},
    "gt+": {  # one of its two frames has no prediction
        "mIoU": 31.911057692307693,
        "mAcc": 81.27147766323024,
        "fIoU": 46.45432692307692,
        "pAcc": 47.5,
    },
}


@pytest.mark.real_data
@pytest.mark.parametrize("targets", ORACLES)
def test_the_toolkits_own_cases_score_as_it_says_to_the_last_digit(real_data: Path, targets: str):
    case = real_data / "oracles/bdd100k_eval/seg"
    assert score_toolkit(case / targets, case / "pred").summary() == ORACLES[targets]


@pytest.mark.real_data
def test_the_rle_pair_of_a_real_frame_scores_as_measured(real_data: Path):
    pytest.importorskip("pycocotools")
    case = real_data / "oracles/bdd100k_eval/rle/seg"
    found = score_toolkit(case / "gt", case / "pred").results()["IoU"]
    assert round(found[1]["AVERAGE"], 8) == 74.98570316
    per_class = {
        "road": 99.593, "sidewalk": 83.429, "building": 95.046, "fence": 3.300, "pole": 59.207,
        "traffic sign": 61.214, "vegetation": 79.687, "sky": 98.035, "car": 95.360,
    }  # fmt: skip
    assert {name: round(value, 3) for name, value in found[0].items() if value} == per_class
