"""``segibn stress`` on a small set."""

import pytest

from segibn.cli import evaluate
from segibn.cli.stress import main
from segibn.errors import ConfigError
from segibn.files.pictures import image_size
from segibn.files.writing import read_json


def _argv(runs, datasets, *more):
    return [*map(str, runs), "--datasets", str(datasets), "--device", "cpu", *more]


def test_networks_are_scored_under_every_change(make_run, datasets, tmp_path, capsys):
    runs = [make_run("camvid", "camvid11", ibn) for ibn in ("none", "b")]
    groups = ("--corruptions", "paper", "driving", "c-contrast", "--levels", "3")
    assert main(_argv(runs, datasets, *groups, "--output", str(tmp_path))) == 0
    rows = read_json(tmp_path / "stress.json")
    names = ["original", "RGB+50", "R+50", "contrast-x1.5", "fog", "night", "rain", "snow", "spray"]
    names += ["exposure", "defocus", "motion-blur", "noise", "low-resolution", "jpeg", "c-contrast"]
    assert [(row["ibn"], row["transform"]) for row in rows] == [(ibn, name) for ibn in ("none", "b") for name in names]
    sets = [row["signature"].split("|")[1] for row in rows[:5]]
    assert sets[0] == "set:camvid-val"
    assert sets[1] == "set:camvid-val~RGB+50"
    assert sets[4] == "set:camvid-val~fog3"
    by_name = {row["transform"]: row for row in rows if row["ibn"] == "b"}
    assert by_name["contrast-x1.5"]["confusion"] == by_name["original"]["confusion"]
    assert by_name["noise"]["confusion"] != by_name["original"]["confusion"]
    table = (tmp_path / "stress.md").read_text()
    assert table in capsys.readouterr().out
    assert image_size(tmp_path / "stress.png") == (480, 960)
    height, width = image_size(tmp_path / "stress.jpg")
    assert width > 4 * 320
    assert height > 3 * 240
    assert len(read_json(tmp_path / "conditions.json")["frames"]["camvid:val"]) == 3


def test_frames_as_they_are_score_what_evaluate_says(make_run, datasets, tmp_path):
    run = make_run("camvid", "camvid11", "a")
    main(_argv([run], datasets, "--corruptions", "jpeg", "--levels", "2", "--output", str(tmp_path)))
    evaluate.main(_argv([run], datasets, "--output", str(tmp_path / "e.json")))
    rows = read_json(tmp_path / "stress.json")
    assert [row["transform"] for row in rows] == ["original", "jpeg"]
    assert rows[0]["confusion"] == read_json(tmp_path / "e.json")["confusion"]


def test_what_cannot_be_meant_is_refused_before_any_work(make_run, datasets):
    run = make_run("camvid", "camvid11")
    with pytest.raises(ConfigError, match="there are RGB"):
        main(_argv([run], datasets, "--corruptions", "heat"))
    with pytest.raises(ConfigError, match="same kind of run"):
        main(_argv([run, run], datasets))
