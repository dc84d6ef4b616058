"""Agreement with independent implementations: cityscapesScripts and torchmetrics."""

import copy
from pathlib import Path

import numpy as np
import pytest

from segibn.evaluation.confusion import count_classes
from segibn.evaluation.metrics import accuracy_of, class_counts, compute_iou
from segibn.evaluation.score_folders import score_semseg
from segibn.files.encode import write_label_png
from segibn.files.folders import list_files
from segibn.files.pictures import read_label_map


def official_scores(targets: list[Path], preds: list[Path]) -> dict:
    script = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    options = copy.copy(script.args)
    options.quiet = True
    options.JSONOutput = False
    options.evalInstLevelScore = False
    return script.evaluateImgLists([str(p) for p in preds], [str(p) for p in targets], options)


def assert_equal_to_official(target_dir: Path, pred_dir: Path) -> None:
    targets = list_files(target_dir, ("_labelIds.png",), recursive=True)
    preds = [next(pred_dir.glob(path.name.split("_gtFine")[0] + "*.png")) for path in targets]
    official = official_scores(targets, preds)
    scores = score_semseg(target_dir, pred_dir)
    expected = [official["classScores"][name] for name in scores.class_names]
    np.testing.assert_allclose(scores.iou, expected, rtol=1e-12)
    assert scores.miou == pytest.approx(official["averageScoreClasses"], rel=1e-12)


@pytest.mark.parametrize("ids", [range(34), [0, 4, 7, 8, 26]], ids=["all-ids", "few-ids"])
def test_label_id_scores_equal_cityscapesscripts_on_random_maps(tmp_path: Path, ids: list):
    rng = np.random.default_rng(0)
    for number in range(3):
        target = rng.choice(np.array(ids, np.uint8), (24, 32))
        wrong = rng.random(target.shape) < 0.3
        pred = np.where(wrong, rng.choice(np.array(ids, np.uint8), target.shape), target)
        stem = f"city_00000{number}_000019"
        write_label_png(tmp_path / "gt" / "city" / f"{stem}_gtFine_labelIds.png", target)
        write_label_png(tmp_path / "pred" / f"{stem}_pred.png", pred.astype(np.uint8))
    assert_equal_to_official(tmp_path / "gt", tmp_path / "pred")


@pytest.mark.real_data
def test_label_id_scores_equal_cityscapesscripts_on_real_maps(real_data: Path, tmp_path: Path):
    paths = list_files(real_data / "cityscapes/gtFine/train", ("_labelIds.png",), recursive=True)
    for path in paths[:2]:
        target = read_label_map(path)
        stem = path.name.removesuffix("_gtFine_labelIds.png")
        write_label_png(tmp_path / "gt" / path.name, target)
        # The truth moved by 40 pixels is a prediction with every kind of mistake.
        write_label_png(tmp_path / "pred" / f"{stem}.png", np.roll(target, 40, axis=1))
    assert_equal_to_official(tmp_path / "gt", tmp_path / "pred")


@pytest.mark.slow  # importing torchmetrics takes ten seconds
def test_counts_and_iou_equal_torchmetrics_where_every_class_occurs():
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(0)
    target = rng.choice(np.array([*range(6), 255], np.uint8), (40, 50))
    pred = rng.integers(0, 6, (40, 50)).astype(np.uint8)
    confusion = count_classes(target, pred, 6)
    pair = torch.from_numpy(pred).long(), torch.from_numpy(target).long()
    options = {"num_classes": 6, "ignore_index": 255}
    counts = functional.multiclass_confusion_matrix(*pair, **options)
    np.testing.assert_array_equal(confusion[:, :6], counts.numpy())
    iou = functional.multiclass_jaccard_index(*pair, average="none", **options)
    np.testing.assert_allclose(compute_iou(confusion), iou.numpy(), rtol=1e-6)
    accuracy = functional.multiclass_accuracy(*pair, average="micro", **options)
    assert accuracy_of(class_counts(confusion)) == pytest.approx(accuracy.item(), rel=1e-6)
