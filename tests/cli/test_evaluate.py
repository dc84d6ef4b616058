import numpy as np
import pytest
import torch

from segibn.builders.checkpoints import load_segmenter
from segibn.cli.evaluate import main
from segibn.data.datasets.catalog import dataset_source
from segibn.errors import ConfigError, DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.files.pictures import read_image
from segibn.files.writing import read_json, sha256_of


def _evaluate(run, datasets, tmp_path, *more):
    output = tmp_path / "scores.json"
    argv = [str(run), "--datasets", str(datasets), "--device", "cpu", "--output", str(output)]
    assert main([*argv, *more]) == 0
    return read_json(output)


def test_scores_are_those_of_a_plain_loop(make_run, datasets, tmp_path, capsys):
    run = make_run("camvid", "camvid11")
    scores = _evaluate(run, datasets, tmp_path)
    segmenter, _, _ = load_segmenter(run / "checkpoints" / "last.pt")
    table, expected = dataset_source("camvid").label_set(), np.zeros((11, 12), int)
    for path in sorted((datasets / "camvid" / "val").iterdir()):
        image = torch.from_numpy(read_image(path)).permute(2, 0, 1)[None]
        pred = segmenter.predict(image)[0].numpy()
        raw = read_image(datasets / "camvid" / "valannot" / path.name)[..., 0]
        target = table.lookup[raw]
        for t, p in zip(target.ravel(), pred.ravel(), strict=True):
            if t != 255:
                expected[t, p] += 1
    np.testing.assert_array_equal(scores["confusion"], expected)
    printed = capsys.readouterr().out
    assert scores["signature"] in printed
    assert "bicyclist" in printed


def test_a_score_that_rests_on_nothing_is_doubted_in_words_and_in_the_file(make_run, datasets, tmp_path, capsys):
    for folder in ("val", "valannot"):
        (tmp_path / "camvid" / folder).mkdir(parents=True)
    frame = next((datasets / "camvid" / "val").iterdir())
    (tmp_path / "camvid" / "val" / frame.name).write_bytes(frame.read_bytes())
    write_label_png(tmp_path / "camvid" / "valannot" / frame.name, np.full((48, 64), 11, np.uint8))
    scores = _evaluate(make_run("camvid", "camvid11"), tmp_path, tmp_path)
    assert "nothing was scored" in scores["doubt"]
    assert f"on camvid:val: {scores['doubt']}" in capsys.readouterr().err


def test_the_file_says_where_its_numbers_come_from(make_run, datasets, tmp_path):
    run = make_run("camvid", "camvid11", "a", seed=3)
    scores = _evaluate(run, datasets, tmp_path)
    assert scores["checkpoint_sha256"] == sha256_of(run / "checkpoints" / "last.pt")
    assert (scores["iteration"], scores["seed"], scores["ibn"]) == (7, 3, "a")
    assert (scores["config"], scores["train"]) == ("camvid_a", "camvid:train")
    assert scores["frames"] == ["0001TP_001000", "0001TP_001001", "0001TP_001002"]
    assert scores["precision"] == "float32"
    assert {"command", "git_revision", "versions", "device"} <= set(scores)
    assert "set:camvid-val|n:3|K:11" in scores["signature"]


def test_a_names_file_narrows_the_set(make_run, datasets, tmp_path):
    names = tmp_path / "two.txt"
    names.write_text("0001TP_001000\n0001TP_001002\n")
    run = make_run("camvid", "camvid11")
    more = ("--dataset", "camvid", "--split", "val", "--names-file", str(names))
    assert _evaluate(run, datasets, tmp_path, *more)["num_images"] == 2


def test_options_are_in_the_signature(make_run, datasets, tmp_path):
    run = make_run("camvid", "camvid11")
    more = ("--window", "32x32", "--scales", "0.5,1", "--flip", "--input-size", "40x56")
    signature = _evaluate(run, datasets, tmp_path, *more)["signature"]
    assert "slide32x32-21x21-flat@40x56" in signature
    assert "scales:0.5,1.0|flip:yes" in signature


def test_pictures_are_written_for_frames_spread_over_the_set(make_run, datasets, tmp_path):
    run, folder = make_run("camvid", "camvid11"), tmp_path / "pictures"
    _evaluate(run, datasets, tmp_path, "--pictures", str(folder), "--picture-count", "1")
    assert [path.name for path in folder.iterdir()] == ["0001TP_001001.jpg"]


def test_a_network_of_the_19_classes_reads_camvid_in_them(make_run, datasets, tmp_path):
    """Its config leaves the classes to the data set, so they come from its class names."""
    run = make_run("gta5", "cityscapes19")
    scores = _evaluate(run, datasets, tmp_path, "--dataset", "camvid")
    assert len(scores["class_names"]) == 19


def test_a_set_that_cannot_be_read_in_the_classes_is_refused(make_run, datasets, tmp_path):
    run = make_run("bdd100k_drivable", "drivable3")
    with pytest.raises(ConfigError, match=r"last\.pt cannot be scored on camvid:val.*drivable3"):
        _evaluate(run, datasets, tmp_path, "--dataset", "camvid")


def test_a_missing_data_set_says_what_it_looked_for(make_run, datasets, tmp_path):
    run = make_run("gta5", "cityscapes19")
    with pytest.raises(DatasetError, match="cityscapes"):
        _evaluate(run, datasets, tmp_path, "--dataset", "cityscapes")


def test_two_gloo_processes_count_seven_frames_exactly_as_one_does(make_run, tmp_path, repository, run_two_ranks):
    """The number does not divide, and the frames differ in size."""
    random = np.random.default_rng(7)
    for number in range(7):
        size = (6, 8) if number % 3 else (5, 7)
        target = random.integers(0, 12, size, dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        image = random.integers(0, 256, (*target.shape, 3), dtype=np.uint8)
        write_image(tmp_path / f"camvid/val/f{number}.png", image)
        write_label_png(tmp_path / f"camvid/valannot/f{number}.png", target)
    run = make_run("camvid", "camvid11")
    command = [repository / "tools" / "evaluate.py", run, "--device", "cpu"]
    run_two_ranks(*command, "--datasets", tmp_path, "--output", tmp_path / "two.json")
    one = _evaluate(run, tmp_path, tmp_path)
    two = read_json(tmp_path / "two.json")
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["num_images"] == 7
    assert "|res:mixed|" in two["signature"]
    assert np.array(two["confusion"]).sum() > 6000
    measured = one.keys() - {"command", "processes", "duration_s"}
    for key in measured:
        assert two[key] == one[key], key


def test_more_measurements_are_printed_and_written_and_move_no_score(make_run, datasets, tmp_path, capsys):
    run = make_run("camvid", "camvid11")
    plain = _evaluate(run, datasets, tmp_path)
    capsys.readouterr()
    options = ("--boundary", "--calibration", "--intervals", "--rates", "--flip")
    flipped = _evaluate(run, datasets, tmp_path, *options)
    whole = _evaluate(run, datasets, tmp_path, *options[:-1])
    assert whole["confusion"] == plain["confusion"]
    assert flipped["confusion"] != plain["confusion"]
    details = whole["details"]
    assert sum(row["pixels"] for row in details["calibration"]["bins"]) == np.sum(plain["confusion"])
    assert 0 < details["boundary"]["boundary_miou"] < 1
    low, high = details["intervals"]["miou"]
    assert low <= plain["miou"] <= high
    printed = capsys.readouterr().out
    for text in ("boundary IoU %", "expected error", "95 % intervals over frames", "precision"):
        assert text in printed


def test_the_file_holds_what_each_frame_adds(make_run, datasets, tmp_path):
    scores = _evaluate(make_run("camvid", "camvid11"), datasets, tmp_path)
    lines = scores["frame_counts"]["frames"]
    assert list(lines) == scores["frames"]
    found = 0
    for line in lines.values():
        for entry in line.split():
            found += int(entry.partition(":")[2].split(",")[0])
    assert found == np.trace(np.array(scores["confusion"]))
