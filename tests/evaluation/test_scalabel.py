"""Scalabel's RLE files: what is painted, and what is refused."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from segibn.errors import ImageFileError
from segibn.evaluation.scalabel import read_rle_frames
from segibn.files.writing import write_json

pytest.importorskip("pycocotools")
NAMES = ("road", "car")


def read_one(tmp_path: Path, *labels: tuple[str, object]) -> np.ndarray | None:
    frame = {"name": "a.jpg", "labels": [{"category": name, "rle": rle} for name, rle in labels]}
    write_json(tmp_path / "a.json", [frame])
    return read_rle_frames(tmp_path / "a.json", NAMES)[PurePosixPath("a")].to_train_ids(NAMES)


def test_runs_go_down_the_columns_and_later_labels_lie_on_top(tmp_path: Path):
    first_column, all_but_the_first_pixel = "022", "13"  # runs 0, 2, 2 and 1, 3
    painted = read_one(
        tmp_path,
        ("car", {"counts": all_but_the_first_pixel, "size": [2, 2]}),
        ("road", {"counts": first_column, "size": [2, 2]}),
    )
    np.testing.assert_array_equal(painted, [[0, 1], [0, 1]])


def test_pixels_without_a_mask_are_ignored_and_other_categories_left_out(tmp_path: Path):
    column = {"counts": "022", "size": [2, 2]}
    np.testing.assert_array_equal(read_one(tmp_path, ("car", column)), [[1, 255], [1, 255]])
    painted = read_one(tmp_path, ("car", column), ("background", {"counts": "13", "size": [2, 2]}))
    np.testing.assert_array_equal(painted, [[1, 255], [1, 255]])
    assert read_one(tmp_path) is None


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"counts": "0<", "size": [2, 2]}, "damaged"),  # twelve pixels for four places
        ({"counts": "0P", "size": [2, 2]}, "damaged"),  # its last number goes on
        ({"counts": "0" + "o" * 12 + "1", "size": [2, 2]}, "damaged"),  # a number of 60 bits
        ({"counts": "", "size": [2, 2]}, "damaged"),
        ({"counts": [0, 4], "size": [2, 2]}, "counts"),
        ({"counts": "04", "size": [2, 0]}, r"size is \[2, 0\]"),
        ({"counts": "04", "size": [1 << 20, 1 << 20]}, "size is"),
        ({"counts": "04", "size": "2x2"}, "size is"),
        ("04", "size is None"),
    ],
)
def test_a_damaged_mask_names_file_frame_and_category(tmp_path: Path, rle: object, message: str):
    with pytest.raises(ImageFileError, match=rf"a\.json, frame a\.jpg, car: .*{message}"):
        read_one(tmp_path, ("car", rle))


def test_masks_of_two_sizes_in_one_frame_are_refused(tmp_path: Path):
    with pytest.raises(ImageFileError, match=r"masks of \(2, 2\) and \(4, 1\)"):
        read_one(tmp_path, ("car", {"counts": "04", "size": [2, 2]}), ("road", {"counts": "04", "size": [4, 1]}))
