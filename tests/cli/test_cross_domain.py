import pytest

from segibn.cli.cross_domain import main
from segibn.config.data import DatasetConfig
from segibn.errors import ConfigError
from segibn.files.pictures import image_size
from segibn.files.writing import read_json
from segibn.runs.cross_domain import cross_domain, draw_comparison
from segibn.runs.loading import load_checkpoint
from segibn.runs.scoring import Scoring


@pytest.fixture
def runs(make_run):
    return [make_run("camvid", "camvid11", ibn) for ibn in ("none", "a")]


def _argv(runs, datasets, *more):
    return [*map(str, runs), "--datasets", str(datasets), "--device", "cpu", *more]


def test_every_run_is_scored_on_every_set(runs, datasets, tmp_path, capsys):
    output = tmp_path / "out"
    sets = ("--on", "camvid:val", "seen=camvid:train")
    assert main(_argv(runs, datasets, *sets, "--output", str(output), "--picture")) == 0
    rows = read_json(output / "cross_domain.json")
    assert [(row["ibn"], row["test"]) for row in rows] == [
        ("none", "camvid:val"),
        ("none", "seen"),
        ("a", "camvid:val"),
        ("a", "seen"),
    ]
    for row in rows:
        assert row["train"] == "camvid:train"
        assert row["seed"] == 0
        assert 0 <= row["miou"] <= 1
        assert 0 <= row["pixel_accuracy"] <= 1
    conditions = read_json(output / "conditions.json")
    assert len(conditions["frames"]["camvid:val"]) == 3
    assert len(conditions["frames"]["camvid:train"]) == 2
    markdown = (output / "cross_domain.md").read_text()
    assert "resnet18, IBN-a" in markdown
    assert markdown in capsys.readouterr().out
    height, width = image_size(output / "comparison.jpg")
    assert width > 4 * 320
    assert height > 4 * 240  # two frames of each set


def test_scores_of_a_row_are_those_of_its_confusion(runs, datasets):
    rows = cross_domain([load_checkpoint(runs[0])], Scoring({"v": DatasetConfig(name="camvid", split="val")}, datasets))
    counts = rows[0]["confusion"]
    right = sum(counts[k][k] for k in range(11))
    assert rows[0]["pixel_accuracy"] == pytest.approx(right / sum(map(sum, counts)))
    iou = [value for value in rows[0]["iou"].values() if value is not None]
    assert rows[0]["miou"] == pytest.approx(sum(iou) / len(iou))


def test_the_train_label_can_be_given(runs, datasets):
    sets = {"night": DatasetConfig(name="camvid", split="val")}
    rows = cross_domain([load_checkpoint(runs[0])], Scoring(sets, datasets), train_label="day")
    assert (rows[0]["train"], rows[0]["test"]) == ("day", "night")


def test_training_frames_that_are_not_here_do_not_stop_it(make_run, datasets, tmp_path):
    run = make_run("gta5", "cityscapes19")
    sets = {"camvid:val": DatasetConfig(name="camvid", split="val")}
    cross_domain([load_checkpoint(run)], Scoring(sets, datasets), tmp_path)
    conditions = read_json(tmp_path / "conditions.json")
    assert conditions["frames"]["gta5:train"] is None


def test_the_same_run_twice_is_refused(runs, datasets, tmp_path):
    with pytest.raises(ConfigError, match="same kind of run"):
        main(_argv([runs[0], runs[0]], datasets, "--on", "camvid:val", "--output", str(tmp_path)))


def test_one_picture_needs_networks_of_the_same_classes(make_run, runs, datasets, tmp_path):
    two = [load_checkpoint(run) for run in (runs[0], make_run("gta5", "cityscapes19"))]
    sets = {"camvid:val": DatasetConfig(name="camvid", split="val")}
    with pytest.raises(ConfigError, match="different classes"):
        draw_comparison(two, Scoring(sets, datasets), tmp_path / "p.jpg")


def test_a_picture_without_a_folder_is_refused_at_once(runs, datasets):
    with pytest.raises(ConfigError, match="--output"):
        main(_argv(runs, datasets, "--on", "camvid:val", "--picture"))
