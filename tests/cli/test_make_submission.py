import zipfile

import cv2
import numpy as np
import pytest

from segibn.cli.make_submission import main
from segibn.errors import SubmissionError
from segibn.files import write_image
from segibn.submission import wad


def _argv(run, images, output, *more):
    common = ["--images", str(images), "--output", str(output), "--device", "cpu"]
    return ["wad", str(run), *common, *more]


@pytest.fixture
def run(make_run):
    return make_run("bdd100k_drivable", "drivable3")


@pytest.fixture
def images(datasets):
    return datasets / "bdd100k" / "images" / "100k" / "test"


def test_a_submission_has_a_map_for_each_frame(run, images, tmp_path):
    assert main(_argv(run, images, tmp_path / "wad.zip")) == 0
    with zipfile.ZipFile(tmp_path / "wad.zip") as archive:
        names = archive.namelist()
        assert names == [f"{path.stem}_drivable_id.png" for path in sorted(images.iterdir())]
        values = cv2.imdecode(np.frombuffer(archive.read(names[0]), np.uint8), -1)
    assert values.shape == (36, 64)
    assert set(np.unique(values)) <= {0, 1, 2}


def test_a_list_chooses_the_frames(run, images, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("cabc30fc-e7726578\n")
    assert main(_argv(run, images, tmp_path / "wad.zip", "--ids", str(ids))) == 0
    wad.validate_wad(tmp_path / "wad.zip", {"cabc30fc-e7726578": (36, 64)})


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


@pytest.mark.real_data
def test_real_test_frames_make_a_submission_of_their_size(run, real_data, tmp_path):
    images = real_data / "bdd100k" / "images" / "100k" / "test"
    assert main(_argv(run, images, tmp_path / "wad.zip", "--input-height", "90")) == 0
    sizes = {path.stem: (720, 1280) for path in images.iterdir()}
    assert len(sizes) == 7
    wad.validate_wad(tmp_path / "wad.zip", sizes)
