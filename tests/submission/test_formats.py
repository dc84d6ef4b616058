"""What the formats write and which names they know, held against the official scripts."""

import io
import zipfile
from argparse import Namespace

import numpy as np
import pytest
from PIL import Image

from segibn.errors import DatasetError, SubmissionError
from segibn.submission.expected import expect_images, expect_list, expect_test_set, index_frames, require_frames
from segibn.submission.formats import FORMATS
from segibn.submission.write import write_submission

WAD, CITYSCAPES = FORMATS["wad"], FORMATS["cityscapes"]
IDS = ("cabc30fc-e7726578", "fdb6baaf-3d897136")


def test_the_shipped_list_is_the_official_test_set():
    for name in ("wad", "bdd100k_drivable"):
        expected = expect_test_set(FORMATS[name])
        ids = list(expected.sizes)
        assert len(ids) == expected.num_frames == FORMATS[name].num_frames == 20_000
        assert (ids[0], ids[-1]) == IDS
        assert all(len(key) == 17 and WAD.key_of_image(f"{key}.jpg") == key for key in ids)
        assert set(expected.sizes.values()) == {(720, 1280)}


def test_the_official_scripts_key_is_the_one_of_a_name():
    """bdd-data's evaluate.py of 2018 takes the first 17 characters of any PNG's name."""
    for suffix in ("", "_drivable_id", "_pred", "-x"):
        name = f"{IDS[0]}{suffix}.png"
        assert WAD.key_of_member(name) == name[:17]
    assert FORMATS["bdd100k_drivable"].key_of_member(f"{IDS[0]}_drivable_id.png") is None


def test_cityscapesscripts_finds_our_files_and_no_others(tmp_path):
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    official = pytest.importorskip(name)
    keys = ("berlin_000000_000019", "berlin_000001_000019")
    sizes = dict.fromkeys(keys, (4, 6))
    path = tmp_path / "s.zip"
    write_submission(path, CITYSCAPES, sizes, lambda todo: ((k, np.zeros((4, 6), np.uint8)) for k in todo))
    zipfile.ZipFile(path).extractall(tmp_path / "results")
    arguments = Namespace(predictionPath=str(tmp_path / "results"), predictionWalk=None)
    for key in keys:
        found = official.getPrediction(arguments, f"gt/berlin/{key}_gtFine_labelIds.png")
        assert found == str(tmp_path / "results" / f"{key}_labelIds.png")
        assert CITYSCAPES.key_of_member(f"{key}_labelIds.png") == key
    for name in ("berlin_000000_000019.png", "berlin_000000_000019_leftImg8bit_x.png"):
        assert CITYSCAPES.key_of_member(name) == keys[0]
    for name in ("berlin_00000_000019.png", "berlin_000000_0000190.png", "000000_000019.png"):
        assert CITYSCAPES.key_of_member(name) is None


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("wad", IDS[0], [0, 1, 2]),
        ("bdd100k_drivable", IDS[0], [2, 0, 1]),
        ("bdd100k_semseg", IDS[0], list(range(19))),
        (
            "cityscapes",
            "bonn_000000_000294",
            [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33],
        ),
    ],
)
def test_train_ids_become_the_values_of_the_benchmark(tmp_path, name, key, values):
    form = FORMATS[name]
    train_ids = np.arange(len(values), dtype=np.uint8)[None]
    sizes = {key: train_ids.shape}
    write_submission(tmp_path / "s.zip", form, sizes, lambda todo: [(key, train_ids)])
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        (member,) = archive.namelist()
        image = Image.open(io.BytesIO(archive.read(member)))
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [values]


def test_a_list_may_have_comments_and_names_of_images(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text(f"# two frames\n{IDS[0]}\n\n{IDS[1]}.jpg  # night\n")
    assert list(expect_list(WAD, path).sizes) == list(IDS)
    path.write_bytes(f"#two\r\n{IDS[0]}\t#day\r\n{IDS[1]}\r\n".encode("utf-16"))
    assert list(expect_list(WAD, path).sizes) == list(IDS)
    path.write_text("berlin/berlin_000000_000019_leftImg8bit.png\nbonn_000000_000294\n")
    keys = ["berlin_000000_000019", "bonn_000000_000294"]
    assert list(expect_list(CITYSCAPES, path).sizes) == keys


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no frame"),
        (f"{IDS[0]}\n{IDS[0]}.jpg\n", "twice"),
        ("frame1\n", "1 line names no frame"),
        (f"{IDS[0].upper()}\n", "8 hex digits"),
        (f"{IDS[0]}1\n", "names no frame"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path, text, says):
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(SubmissionError, match=says):
        expect_list(WAD, path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_list_that_windows_wrote_is_read(tmp_path, encoding):
    path = tmp_path / "ids.txt"
    mark = "" if encoding != "utf-16-le" else "\ufeff"
    path.write_bytes(f"{mark}{IDS[0]}\r\n{IDS[1]}\r\n".encode(encoding))
    assert list(expect_list(WAD, path).sizes) == list(IDS)


def test_frames_of_a_folder_are_known_by_their_key_and_size(tmp_path, png):
    for place, shape in ((f"a/{IDS[1]}.png", (4, 6, 3)), (f"b/{IDS[0]}.png", (5, 7, 3))):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_bytes(png(np.zeros(shape, np.uint8)))
    assert dict(expect_images(WAD, tmp_path).sizes) == {IDS[0]: (5, 7), IDS[1]: (4, 6)}
    assert list(index_frames(WAD, tmp_path)) == list(IDS)
    (tmp_path / "a" / f"{IDS[0]}.jpg").touch()
    with pytest.raises(SubmissionError, match="two frames for cabc30fc-e7726578"):
        index_frames(WAD, tmp_path)
    with pytest.raises(SubmissionError, match=r"not named as those of Cityscapes.*<city>"):
        index_frames(CITYSCAPES, tmp_path / "a")
    with pytest.raises(DatasetError, match="no such folder"):
        index_frames(WAD, tmp_path / "absent")


def test_missing_frames_are_counted():
    with pytest.raises(SubmissionError, match="19999 of the 20000 frames of the official"):
        require_frames([IDS[0]], expect_test_set(WAD))
    with pytest.raises(SubmissionError, match="has 1525 frames, but 1 are there"):
        require_frames(["berlin_000000_000019"], expect_test_set(CITYSCAPES))
