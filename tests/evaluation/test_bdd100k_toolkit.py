"""The BDD100K toolkit's numbers: its own test cases, and its formula on random maps."""

import json
from pathlib import Path

import numpy as np
import pytest

from segibn.errors import LabelValueError
from segibn.evaluation.bdd100k_toolkit import TASKS, score_toolkit
from segibn.evaluation.drivable import drivable_miou
from segibn.files.encode import write_label_png


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
