import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from segibn.errors import SubmissionError
from segibn.submission import wad

IDS = ("0004a4c0-d4dff0ad", "cabc30fc-e7726578", "fdb6baaf-3d897136")
SIZES = {IDS[0]: (6, 8), IDS[1]: (6, 8), IDS[2]: (4, 10)}


def _map(frame_id):
    random = np.random.default_rng(IDS.index(frame_id))
    return random.integers(0, 3, SIZES[frame_id], dtype=np.uint8)


def _write(path, ids=IDS):
    wad.write_wad(((i, _map(i)) for i in ids), {i: SIZES[i] for i in ids}, path)


def _png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


def _members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rewrite(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)


def test_a_submission_holds_one_grey_8_bit_png_per_frame(tmp_path):
    """Read back by zipfile and Pillow, which had no part in writing it."""
    _write(tmp_path / "s.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["s.zip"]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == [f"{i}_drivable_id.png" for i in IDS]
        for frame_id in IDS:
            with Image.open(archive.open(f"{frame_id}_drivable_id.png")) as image:
                assert image.mode == "L"
                np.testing.assert_array_equal(np.asarray(image), _map(frame_id))


def test_values_are_those_of_2018():
    """0 background, 1 direct, 2 alternative: the train ids themselves."""
    name, content = next(wad._members([("x", np.array([[0, 1, 2]], np.uint8))]))
    assert name == "x_drivable_id.png"
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.tolist() == [[0, 1, 2]]


def test_equal_maps_give_equal_bytes(tmp_path):
    _write(tmp_path / "a.zip")
    _write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_folder_inside_the_zip_and_short_names_are_allowed(tmp_path):
    path = tmp_path / "s.zip"
    _write(path)
    _rewrite(path, [(f"seg/{n[:17]}.png", c) for n, c in _members(path).items()])
    wad.validate_wad(path, SIZES)


WRONG = {
    "missing": (lambda m: m[1:], "frames without a map: " + IDS[0]),
    "twice": (lambda m: [*m, (f"more/{m[0][0]}", m[0][1])], "ids with two maps: " + IDS[0]),
    "size": (lambda m: [(m[0][0], _png(np.zeros((8, 6), np.uint8))), *m[1:]], "another size"),
    "value": (lambda m: [(m[0][0], _png(np.full((6, 8), 3, np.uint8))), *m[1:]], "0, 1, 2"),
    "rgb": (lambda m: [(m[0][0], _png(np.zeros((6, 8, 3), np.uint8))), *m[1:]], "single-channel"),
    "16 bit": (lambda m: [(m[0][0], _png(np.zeros((6, 8), np.uint16))), *m[1:]], "single-channel"),
    "no png": (lambda m: [(m[0][0], b"text"), *m[1:]], "single-channel"),
    "damaged": (lambda m: [(m[0][0], m[0][1][:40]), *m[1:]], "damaged"),
    "extra": (lambda m: [*m, ("00000000-00000000.png", m[0][1])], "not asked for"),
    "name": (lambda m: [*m, ("readme.txt", b"hello")], "not named"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_check_finds(tmp_path, wrong):
    change, message = WRONG[wrong]
    path = tmp_path / "s.zip"
    _write(path)
    _rewrite(path, change(list(_members(path).items())))
    with pytest.raises(SubmissionError, match=message):
        wad.validate_wad(path, SIZES)


def test_what_is_no_zip_is_named(tmp_path):
    (tmp_path / "s.zip").write_bytes(b"no")
    with pytest.raises(SubmissionError, match=r"s\.zip"):
        wad.validate_wad(tmp_path / "s.zip", SIZES)


def test_a_failed_check_leaves_the_previous_submission(tmp_path):
    path = tmp_path / "s.zip"
    _write(path)
    before = path.read_bytes()
    with pytest.raises(SubmissionError, match="frames without a map"):
        wad.write_wad([(IDS[0], _map(IDS[0]))], SIZES, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.zip"]


@pytest.mark.parametrize("frame_id", ["frame1", "0004A4C0-d4dff0ad", "0004a4c0-d4dff0ad1"])
def test_ids_of_another_form_are_refused_before_anything_is_written(tmp_path, frame_id):
    with pytest.raises(SubmissionError, match=frame_id):
        wad.write_wad([], {frame_id: (2, 2)}, tmp_path / "s.zip")


def test_the_shipped_list_is_the_official_test_set():
    ids = wad.official_test_ids()
    assert len(ids) == len(set(ids)) == wad.TEST_SET_SIZE
    assert (ids[0], ids[-1]) == ("cabc30fc-e7726578", "fdb6baaf-3d897136")
    wad.check_ids(ids)


def test_missing_frames_are_counted():
    with pytest.raises(SubmissionError, match="19999 of the 20000 frames of the official"):
        wad.require_frames([IDS[1]], wad.official_test_ids(), "the official test set")


def test_a_list_of_ids_may_have_comments(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text(f"# two frames\n{IDS[0]}\n\n{IDS[1]}  # night\n")
    assert wad.read_ids(path) == list(IDS[:2])


@pytest.mark.parametrize("text", ["", f"{IDS[0]}\n{IDS[0]}\n", "frame1\n"])
def test_a_list_that_cannot_be_meant_is_refused(tmp_path, text):
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(SubmissionError):
        wad.read_ids(path)


def test_checking_a_submission_needs_no_torch():
    code = "import sys, segibn.submission.wad; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
