import zipfile

import cv2
import numpy as np
import pytest

from segibn.cli import validate_submission
from segibn.cli.submit import main
from segibn.errors import SubmissionError
from segibn.files.encode import write_image
from segibn.text.progress import time_left

BERLIN = "berlin_000000_000019"


def _argv(run, images, output, *more, benchmark="wad"):
    common = ["--images", str(images), "--output", str(output), "--device", "cpu"]
    return [benchmark, str(run), *common, *more]


def _values(path):
    with zipfile.ZipFile(path) as archive:
        return {name: cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), -1) for name in archive.namelist()}


@pytest.fixture
def run(make_run):
    return make_run("bdd100k_drivable", "drivable3")


@pytest.fixture
def images(datasets):
    return datasets / "bdd100k" / "images" / "100k" / "test"


def test_a_submission_has_a_map_for_each_frame(run, images, tmp_path, capsys):
    assert main(_argv(run, images, tmp_path / "wad.zip")) == 0
    maps = _values(tmp_path / "wad.zip")
    assert list(maps) == [f"{path.stem}_drivable_id.png" for path in sorted(images.iterdir())]
    assert {values.shape for values in maps.values()} == {(36, 64)}
    assert set(np.unique(list(maps.values()))) <= {0, 1, 2}
    assert "the official test set has 20000 frames" in capsys.readouterr().out
    argv = [str(tmp_path / "wad.zip"), "--format", "wad", "--images", str(images)]
    assert validate_submission.main(argv) == 0


def test_bdd100k_maps_are_the_same_in_the_order_of_2021(run, images, tmp_path):
    main(_argv(run, images, tmp_path / "wad.zip"))
    main(_argv(run, images, tmp_path / "bdd.zip", benchmark="bdd100k_drivable"))
    old, new = _values(tmp_path / "wad.zip"), _values(tmp_path / "bdd.zip")
    for name, values in old.items():
        changed = new[name.replace("_drivable_id", "")]
        np.testing.assert_array_equal(np.array([2, 0, 1])[values], changed)


def test_run_lengths_are_written_by_suffix(run, images, tmp_path):
    pytest.importorskip("pycocotools")
    output = tmp_path / "bdd.json"
    main(_argv(run, images, output, benchmark="bdd100k_drivable"))
    argv = [str(output), "--format", "bdd100k_drivable", "--images", str(images)]
    assert validate_submission.main(argv) == 0


def test_a_network_of_any_training_set_with_19_classes_serves_cityscapes(make_run, tmp_path):
    run = make_run("gta5", "cityscapes19")
    frame = tmp_path / "test" / "berlin" / f"{BERLIN}_leftImg8bit.png"
    write_image(frame, np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8))
    output = tmp_path / "cs.zip"
    main(_argv(run, tmp_path / "test", output, benchmark="cityscapes"))
    ((name, values),) = _values(output).items()
    assert name == f"{BERLIN}_labelIds.png"
    eval_ids = {7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33}  # of the official table
    assert set(np.unique(values)) <= eval_ids
    argv = [str(output), "--format", "cityscapes", "--images", str(tmp_path / "test")]
    assert validate_submission.main(argv) == 0
    with pytest.raises(SubmissionError, match="1525 frames, but 1 are there"):
        main(_argv(run, tmp_path / "test", output, "--expect-test-set", benchmark="cityscapes"))


def test_a_list_chooses_the_frames(run, images, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("cabc30fc-e7726578\n")
    assert main(_argv(run, images, tmp_path / "wad.zip", "--ids", str(ids))) == 0
    assert list(_values(tmp_path / "wad.zip")) == ["cabc30fc-e7726578_drivable_id.png"]


def test_an_interrupted_command_goes_on_unless_the_options_changed(run, images, tmp_path, capsys, monkeypatch):
    from segibn.inference import predictor as predict

    main(_argv(run, images, tmp_path / "whole.zip"))
    call, made = predict.label_maps, []

    def interrupted(predictor, images):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.extend(images)
        return call(predictor, images)

    monkeypatch.setattr(predict, "label_maps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(_argv(run, images, tmp_path / "wad.zip"))
    monkeypatch.setattr(predict, "label_maps", call)
    capsys.readouterr()
    main(_argv(run, images, tmp_path / "wad.zip"))
    assert "resuming: 2 maps there already" in capsys.readouterr().err
    assert (tmp_path / "wad.zip").read_bytes() == (tmp_path / "whole.zip").read_bytes()
    made.clear()
    monkeypatch.setattr(predict, "label_maps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(_argv(run, images, tmp_path / "wad.zip"))
    monkeypatch.setattr(predict, "label_maps", call)
    capsys.readouterr()
    main(_argv(run, images, tmp_path / "wad.zip", "--flip"))
    assert "resuming" not in capsys.readouterr().err


def test_missing_test_frames_are_counted_before_anything_is_computed(run, images, tmp_path):
    with pytest.raises(SubmissionError, match="19999 of the 20000"):
        main(_argv(run, images, tmp_path / "wad.zip", "--expect-test-set"))
    assert not (tmp_path / "wad.zip").exists()


def test_a_network_of_other_classes_is_refused(make_run, images, tmp_path):
    run = make_run("gta5", "cityscapes19")
    with pytest.raises(SubmissionError, match=r"knows 19 classes.*drivable area"):
        main(_argv(run, images, tmp_path / "wad.zip"))


def test_frames_without_an_id_are_refused(run, tmp_path):
    write_image(tmp_path / "frames" / "street.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SubmissionError, match="street"):
        main(_argv(run, tmp_path / "frames", tmp_path / "wad.zip"))


def test_time_left_is_in_the_unit_one_wants_to_read():
    assert time_left(10, 20.0, 30) == ", about 1 min left"
    assert time_left(10, 1.0, 30) == ", about 3 s left"
    assert time_left(1, 2.0, 19_999) == ", about 11 h 6 min left"
    assert time_left(0, 2.0, 5) == ""


@pytest.mark.real_data
def test_real_test_frames_are_complete_for_themselves_and_lack_19993(run, real_data, tmp_path, capsys):
    images = real_data / "bdd100k" / "images" / "100k" / "test"
    output = tmp_path / "wad.zip"
    assert main(_argv(run, images, output, "--input-height", "90")) == 0
    assert {values.shape for values in _values(output).values()} == {(720, 1280)}
    capsys.readouterr()
    argv = [str(output), "--format", "wad"]
    assert validate_submission.main([*argv, "--images", str(images)]) == 0
    assert "7 good maps, 7 frames" in capsys.readouterr().out
    assert validate_submission.main(argv) == 1
    assert "19993 frames without a map: cabc30fc-e7726578" in capsys.readouterr().out
