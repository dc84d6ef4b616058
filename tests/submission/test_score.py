"""Local scores of a submission: those of the same maps in a folder; the toolkit's own example."""

import copy
import json
import shutil
import zipfile

import numpy as np
import pytest

from segibn.errors import DatasetError, LabelValueError
from segibn.evaluation.score_folders import score_drivable, score_semseg
from segibn.files.encode import write_label_png
from segibn.files.pictures import read_label_map
from segibn.submission.check import check_submission
from segibn.submission.expected import Expected
from segibn.submission.formats import FORMATS
from segibn.submission.write import write_submission

KEYS = ("berlin_000000_000019", "bonn_000000_000294")
IDS = ("0004a4c0-d4dff0ad", "cabc30fc-e7726578")
SIZE = (9, 16)


def _random(seed, values):
    return np.random.default_rng(seed).choice(values, SIZE).astype(np.uint8)


def _submit(path, form, keys, seed=10):
    k = form.labels.num_classes
    maps = {key: _random(seed + i, range(k)) for i, key in enumerate(keys)}
    write_submission(path, form, dict.fromkeys(keys, SIZE), lambda todo: ((k, maps[k]) for k in todo))
    return maps


def _score(path, form, labels, keys, **options):
    expected = Expected("x", len(keys), dict.fromkeys(keys, SIZE), form.size)
    return check_submission(path, form, expected, labels=labels, **options)


def _assert_equal(scores, of_folder):
    """The counts, their conditions and what follows from them; a folder keeps more beside."""
    ours, theirs = scores.to_dict(), of_folder.to_dict()
    keys = ("signature", "confusion", "iou", "pixel_accuracy", "class_accuracy", "frames")
    keys += ("averaged_classes", "num_images", "conditions")
    for key in (*keys, *({"miou", "drivable_miou", "label_ids", "label_confusion"} & set(theirs))):
        assert ours[key] == theirs[key], key


def test_cityscapes_scores_are_those_of_the_folder(tmp_path):
    form = FORMATS["cityscapes"]
    maps = _submit(tmp_path / "s.zip", form, KEYS)
    for i, key in enumerate(KEYS):
        write_label_png(tmp_path / f"gt/x/{key}_gtFine_labelIds.png", _random(i, range(34)))
        write_label_png(tmp_path / f"gt/x/{key}_gtFine_labelTrainIds.png", _random(i, [0]))
        write_label_png(tmp_path / f"pred/{key}.png", form.labels.to_label_ids(maps[key]))
    report = _score(tmp_path / "s.zip", form, tmp_path / "gt", KEYS)
    folder = score_semseg(tmp_path / "gt", tmp_path / "pred", target_encoding="label_ids")
    _assert_equal(report.scores, folder)
    assert report.scores.signature in report.format_text()
    assert report.to_dict()["scores"]["num_images"] == 2


@pytest.mark.parametrize("name", ["wad", "bdd100k_drivable"])
@pytest.mark.parametrize("release", ["2018", "2021"])
def test_drivable_scores_are_those_of_the_folder_in_either_encoding(tmp_path, name, release):
    form = FORMATS[name]
    maps = _submit(tmp_path / "s.zip", form, IDS)
    suffix, background = ("_drivable_id", 0) if release == "2018" else ("", 2)
    values = [background] * 5 + [0, 1, 2]
    for i, key in enumerate(IDS):
        write_label_png(tmp_path / f"gt/{key}{suffix}.png", _random(i, values))
        write_label_png(tmp_path / f"pred/{key}.png", form.labels.to_label_ids(maps[key]))
    own = "2018" if name == "wad" else "2021"
    report = _score(tmp_path / "s.zip", form, tmp_path / "gt", IDS)
    folder = score_drivable(tmp_path / "gt", tmp_path / "pred", pred_encoding=own)
    _assert_equal(report.scores, folder)
    assert report.scores.target_encoding == release


def test_a_missing_map_is_all_void_for_the_toolkit_and_stops_the_others(tmp_path):
    for name in ("bdd100k_semseg", "wad"):
        form, top = FORMATS[name], tmp_path / name
        maps = _submit(top / "s.zip", form, IDS[:1])
        for i, key in enumerate(IDS):
            write_label_png(top / f"gt/{key}.png", _random(i, [0, 0, 0, 1, 2]))
        write_label_png(top / f"pred/{IDS[0]}.png", form.labels.to_label_ids(maps[IDS[0]]))
        report = _score(top / "s.zip", form, top / "gt", IDS)
        assert report.faults[0].what == "frames without a map"
        if form.missing_is_void:
            folder = score_semseg(top / "gt", top / "pred", "bdd100k", policy="bdd100k")
            _assert_equal(report.scores, folder)
            assert "scored as all void" in str(report.notes)
        else:
            assert report.scores is None
            assert "script would stop: no map for 1 labelled frame" in str(report.notes)


def test_faulty_maps_are_not_scored_and_say_so(tmp_path, write_zip, png):
    form = FORMATS["wad"]
    write_zip(tmp_path / "s.zip", [(f"{IDS[0]}.png", png(np.full(SIZE, 9, np.uint8)))])
    write_label_png(tmp_path / f"gt/{IDS[0]}.png", np.zeros(SIZE, np.uint8))
    report = _score(tmp_path / "s.zip", form, tmp_path / "gt", IDS[:1])
    assert report.scores is None
    assert "not scored: faulty maps of 1 labelled frame:" in str(report.notes)


def test_labels_that_do_not_fit_are_named(tmp_path):
    form = FORMATS["wad"]
    _submit(tmp_path / "s.zip", form, IDS[:1])
    target = tmp_path / f"gt/{IDS[0]}.png"
    write_label_png(target, np.zeros((4, 4), np.uint8))
    with pytest.raises(DatasetError, match=rf"{IDS[0]}.png is 4x4, but the map"):
        _score(tmp_path / "s.zip", form, tmp_path / "gt", IDS[:1])
    write_label_png(target, np.full(SIZE, 7, np.uint8))
    with pytest.raises(LabelValueError, match="7"):
        _score(tmp_path / "s.zip", form, tmp_path / "gt", IDS[:1], target_encoding="2018")
    with pytest.raises(DatasetError, match="no label map belongs to a frame of x"):
        _score(tmp_path / "s.zip", form, tmp_path / "gt", IDS[1:])


@pytest.mark.real_data
def test_the_toolkits_run_lengths_score_what_it_says(real_data, tmp_path):
    """A real frame's truth and prediction, shipped with the toolkit's tests: mIoU 74.98570316."""
    coco = pytest.importorskip("pycocotools.mask")
    form, key, size = FORMATS["bdd100k_semseg"], "7d06fefd-f7be05a6", (720, 1280)
    folder = real_data / "oracles" / "bdd100k_eval" / "rle" / "seg"
    (frame,) = json.loads((folder / "gt" / "0.json").read_text())["frames"]
    truth = np.full(size, 255, np.uint8)
    for label in frame["labels"]:
        truth[coco.decode(label["rle"]) > 0] = form.labels.class_names.index(label["category"])
    write_label_png(tmp_path / f"{key}.png", truth)
    expected = Expected("x", 1, {key: size}, size)
    report = check_submission(folder / "pred" / "0.json", form, expected, labels=tmp_path)
    assert report.is_valid
    assert 100 * report.scores.miou == pytest.approx(74.98570316, abs=1e-8)
    published = {"road": 99.593, "fence": 3.3, "pole": 59.207, "sky": 98.035, "car": 95.36}
    scores = report.scores.to_dict()
    assert len(scores["averaged_classes"]) == 9
    for name, value in published.items():
        assert 100 * scores["iou"][name] == pytest.approx(value, abs=5e-4)


@pytest.mark.real_data
def test_the_official_script_scores_an_unpacked_submission_the_same(real_data, tmp_path):
    """Two real frames of Cityscapes; the prediction is the truth, moved and void painted over."""
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    official = pytest.importorskip(name)
    form = FORMATS["cityscapes"]
    source = real_data / "cityscapes" / "gtFine" / "train" / "aachen"
    maps = {}
    for path in sorted(source.glob("*_gtFine_labelIds.png"))[:2]:
        train_ids = form.labels.to_train_ids(read_label_map(path))
        key = path.name.removesuffix("_gtFine_labelIds.png")
        maps[key] = np.roll(np.where(train_ids == 255, 13, train_ids), 40, axis=1)
        target = tmp_path / "gt" / "aachen" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    sizes = {key: values.shape for key, values in maps.items()}
    write_submission(tmp_path / "s.zip", form, sizes, lambda todo: ((key, maps[key]) for key in todo))
    expected = Expected("x", 2, sizes, form.size)
    report = check_submission(tmp_path / "s.zip", form, expected, labels=tmp_path / "gt")
    zipfile.ZipFile(tmp_path / "s.zip").extractall(tmp_path / "results")
    options = copy.copy(official.args)
    options.predictionPath, options.predictionWalk = str(tmp_path / "results"), None
    options.quiet, options.JSONOutput, options.evalInstLevelScore = True, False, False
    targets = sorted(map(str, (tmp_path / "gt").rglob("*_labelIds.png")))
    preds = [official.getPrediction(options, target) for target in targets]
    theirs = official.evaluateImgLists(preds, targets, options)
    assert report.is_valid
    assert report.scores.miou == pytest.approx(theirs["averageScoreClasses"], abs=1e-12)
