"""Networks of 19 classes are scored on every data set that has a map to them."""

import dataclasses

import numpy as np
import pytest

import segibn
from segibn.cli.cross_domain import main as cross_domain
from segibn.cli.evaluate import main as evaluate
from segibn.cli.report import main as report
from segibn.errors import ConfigError
from segibn.files.encode import write_image, write_label_png
from segibn.files.writing import read_json


@dataclasses.dataclass(frozen=True)
class Frame:
    image: str
    target: str


SETS = {
    "acdc:val-fog": Frame(
        "acdc/rgb_anon/fog/val/G1/G1_frame_1_rgb_anon.png", "acdc/gt/fog/val/G1/G1_frame_1_gt_labelTrainIds.png"
    ),
    "dark_zurich:val": Frame(
        "dark_zurich/rgb_anon/val/night/G1/G1_frame_1_rgb_anon.png",
        "dark_zurich/gt/val/night/G1/G1_frame_1_gt_labelTrainIds.png",
    ),
    "foggy_cityscapes:val-0.02": Frame(
        "cityscapes/leftImg8bit_foggy/val/ulm/ulm_0_0_leftImg8bit_foggy_beta_0.02.png",
        "cityscapes/gtFine/val/ulm/ulm_0_0_gtFine_labelIds.png",
    ),
    "idd:val": Frame("idd/leftImg8bit/val/1/2_leftImg8bit.jpg", "idd/gtFine/val/1/2_gtFine_labelcsTrainIds.png"),
    "kitti:training": Frame("kitti/training/image_2/0_10.png", "kitti/training/semantic/0_10.png"),
    "mapillary/rein:validation": Frame("mapillary/validation/images/a.jpg", "mapillary/validation/v1.2/labels/a.png"),
    "mapillary/robustnet:validation": Frame(
        "mapillary/validation/images/a.jpg", "mapillary/validation/v1.2/labels/a.png"
    ),
    "urbansyn:all": Frame("urbansyn/rgb/rgb_0001.png", "urbansyn/ss/ss_0001.png"),
    "wilddash2:all": Frame("wilddash2/images/a.jpg", "wilddash2/labels/a_labelIds.png"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    random = np.random.default_rng(0)
    for frame in SETS.values():
        write_image(folder / frame.image, random.integers(0, 256, (40, 60, 3), np.uint8))
        target = random.integers(0, 19, (5, 6), np.uint8).repeat(8, 0).repeat(10, 1)
        write_label_png(folder / frame.target, target)
    return folder


def _argv(run, root, *more):
    return [str(run), "--datasets", str(root), "--device", "cpu", *more]


def test_one_command_scores_a_run_on_all_of_them(make_run, root, tmp_path):
    run = make_run("cityscapes", "cityscapes19")
    assert cross_domain(_argv(run, root, "--on", *SETS, "--output", str(tmp_path))) == 0
    rows = {row["test"]: row for row in read_json(tmp_path / "cross_domain.json")}
    assert set(rows) == set(SETS)
    for name, row in rows.items():
        assert f"set:{name.replace(':', '-')}|n:1|K:19" in row["signature"]
        assert sum(map(sum, row["confusion"])) > 0
    two = [rows[f"mapillary/{name}:validation"]["confusion"] for name in ("rein", "robustnet")]
    assert two[0] != two[1]


def test_a_network_of_16_classes_is_scored_on_the_16(make_run, root, tmp_path):
    run = make_run("synthia", "synthia16", classes="synthia16")
    output = tmp_path / "scores.json"
    more = ("--dataset", "kitti", "--split", "training", "--output", str(output))
    assert evaluate(_argv(run, root, *more)) == 0
    scores = read_json(output)
    assert np.array(scores["confusion"]).shape == (16, 17)
    assert "K:16" in scores["signature"]


def test_a_set_that_tells_some_classes_only_is_not_scored_on(make_run, root, tmp_path):
    run = make_run("cityscapes", "cityscapes19")
    for kind, name, value in (("images/100k", ".jpg", 0), ("drivable_maps/labels", "", 1)):
        path = root / "bdd100k" / kind / "val"
        suffix = name or "_drivable_id.png"
        pixels = np.full((40, 60, 3) if name else (40, 60), value, np.uint8)
        (write_image if name else write_label_png)(path / f"a{suffix}", pixels)
    more = ("--dataset", "bdd100k_drivable", "--output", str(tmp_path / "scores.json"))
    with pytest.raises(ConfigError, match="tells only some of the network's classes"):
        evaluate(_argv(run, root, *more))


def test_a_set_of_coarser_classes_is_scored_in_them(make_run, root, tmp_path):
    run = make_run("cityscapes", "cityscapes19")
    output, frame = tmp_path / "scores.json", root / "idd_lite/leftImg8bit/val/1/2_image.jpg"
    random = np.random.default_rng(1)
    write_image(frame, random.integers(0, 256, (40, 60, 3), np.uint8))
    target = random.integers(0, 8, (40, 60), np.uint8)
    target[target == 7] = 255
    write_label_png(root / "idd_lite/gtFine/val/1/2_label.png", target)
    more = ("--dataset", "idd_lite", "--output", str(output))
    assert evaluate(_argv(run, root, *more)) == 0
    levels = [0, 1, 5, 4, 4, 4, 4, 4, 5, 1, 6, 2, 2, 3, 3, 3, 3, 3, 3]  # of the 19, in order
    labels = segibn.load(run, "cpu").predict(frame).train_ids
    expected = np.zeros((7, 8), np.int64)
    for truth, label in zip(target.ravel(), labels.ravel(), strict=True):
        if truth != 255:
            expected[truth, levels[label]] += 1
    scores = read_json(output)
    assert scores["confusion"] == expected.tolist()
    assert "set:idd_lite-val~19-merged|n:1|K:7" in scores["signature"]
    assert cross_domain(_argv(run, root, "--on", "idd_lite:val", "--output", str(tmp_path))) == 0
    page = ("--output", str(tmp_path / "report.html"))
    assert report([str(run), str(output), "--datasets", str(root), *page]) == 0
    with pytest.raises(ConfigError, match="in which it is scored, and nothing else"):
        evaluate(_argv(run, root, *more, "--pictures", str(tmp_path / "pictures")))


def test_evaluate_takes_the_label_map_too(make_run, root, tmp_path):
    run = make_run("cityscapes", "cityscapes19")
    output = tmp_path / "scores.json"
    more = ["--dataset", "mapillary", "--split", "validation", "--output", str(output)]
    assert evaluate(_argv(run, root, *more, "--label-map", "rein")) == 0
    assert "set:mapillary/rein-validation" in read_json(output)["signature"]
    with pytest.raises(ConfigError, match="robustnet or rein"):
        evaluate(_argv(run, root, *more))
    with pytest.raises(ConfigError, match="`label_map` rein: kitti has none"):
        evaluate(_argv(run, root, "--dataset", "kitti", "--label-map", "rein"))
