"""``segibn stress`` on a small set."""

from statistics import harmonic_mean

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


def _ood_folder(folder, layout):
    """Frames whose lower half is unknown; one pixel is left out."""
    import numpy as np

    from segibn.files.encode import write_image, write_label_png

    random = np.random.default_rng(0)
    for n in range(2):
        truth = np.zeros((24, 32), np.uint8)
        truth[12:], truth[0, 0] = 1, 255
        image = random.integers(0, 255, (24, 32, 3), np.uint8)
        if layout == "smiyc":
            write_image(folder / f"images/v{n}.jpg", image)
            write_label_png(folder / f"labels_masks/v{n}_labels_semantic.png", truth)
        else:
            write_image(folder / f"frames/04_street_{n}_leftImg8bit.png", image)
            write_label_png(folder / f"fs/000{n}_04_street_{n}_labels.png", truth)
    return folder


@pytest.mark.parametrize("layout", ["smiyc", "fishyscapes"])
def test_scores_of_the_logits_are_told_of_either_layout(make_run, datasets, tmp_path, layout):
    run, folder = make_run("camvid", "camvid11", "a"), _ood_folder(tmp_path / layout, layout)
    more = ("--corruptions", "jpeg", "--levels", "1", "--ood", str(folder), "--output", str(tmp_path / "out"))
    assert main(_argv([run], datasets, *more, "--calibration", "--errors")) == 0
    found = next(iter(read_json(tmp_path / "out/ood.json").values()))[layout]
    assert list(found) == ["max-softmax", "max-logit", "energy", "entropy"]
    assert all(0 <= value <= 1 for score in found.values() for value in score.values())
    assert "| energy |" in (tmp_path / "out/stress.md").read_text()
    original, changed = read_json(tmp_path / "out/stress.json")
    errors, unknown = original["details"]["errors"], found["max-softmax"]
    values = [original["miou"], 1 - original["details"]["calibration"]["ece"], 1 - errors["fpr95"]]
    values += [errors[key] for key in ("auroc", "auprc_success", "auprc_error")]
    semantic = harmonic_mean(values)  # of a network that was never trained: 0 where one of them is
    of_ood = harmonic_mean([unknown["auroc"], unknown["auprc"], 1 - unknown["fpr95"]])
    expected = {"semantic": semantic, "ood": of_ood, "index": harmonic_mean([semantic, of_ood])}
    assert semantic > 0
    assert original["bravo"] == pytest.approx(expected)
    assert "bravo" not in changed


def test_frames_of_the_unknown_are_looked_for_before_any_work(make_run, datasets, tmp_path):
    from segibn.errors import DatasetError

    with pytest.raises(DatasetError, match="SegmentMeIfYouCan"):
        main(_argv([make_run("camvid", "camvid11")], datasets, "--ood", str(tmp_path)))


def test_a_change_is_the_same_in_every_process(tmp_path):
    """Frames are shared out over ranks: what is done to one depends on its name, level and seed alone."""
    import numpy as np

    from segibn.analysis.stress import CORRUPTIONS, corrupt
    from segibn.files.pool import map_in_processes

    image = np.random.default_rng(0).integers(0, 255, (40, 64, 3), np.uint8)
    items = [(name, f"frame {n}", image) for n, name in enumerate(sorted(CORRUPTIONS))]
    alone = [corrupt(name, frame, image, level=3, seed=1) for name, frame, image in items]
    for processes in (2, 3):
        shared = list(map_in_processes(_corrupted, items, processes, 2, "corrupting"))
        assert all(np.array_equal(one, other) for one, other in zip(alone, shared, strict=True))


def _corrupted(item):
    from segibn.analysis.stress import corrupt

    name, frame, image = item
    return corrupt(name, frame, image, level=3, seed=1)
