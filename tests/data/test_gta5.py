"""GTA5: the splits, the folder layouts, and copies that hold only some of the frames."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from painted_scenes.names import gta5_name
from segibn.data.datasets import gta5
from segibn.errors import DatasetError
from segibn.files.pictures import read_label_map


def test_the_shipped_splits_share_out_all_24966_frames() -> None:
    train, val, test = (gta5.split_ids(split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (12_403, 6_382, 6_181)
    assert train | val | test == set(range(1, 24_967)) == gta5.split_ids("all")


def test_train_clean_leaves_out_the_fifteen() -> None:
    left_out = {12160, 12166, 12167, 12191, 12192, 12193, 12195, *range(12202, 12209), 19993}
    assert gta5.split_ids("train") - gta5.split_ids("train-clean") == left_out
    assert len(gta5.split_ids("train-clean")) == 12_388


def test_official_counts_are_those_of_the_lists() -> None:
    counts = {split: len(gta5.split_ids(split)) for split in gta5.SOURCE.splits}
    assert counts == gta5.SOURCE.splits


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("images/01", "labels/part"), ("images/train/folder", "labels/x/y")],
    ids=["flat", "one level", "two levels"],
)
def test_frames_are_found_at_any_depth(
    make_gta5: Callable[..., Path], images: str, labels: str, index: Callable[..., list]
) -> None:
    found = index(gta5.SOURCE.find, make_gta5([1, 2, 22], images, labels), "train")
    assert [s.name for s in found] == ["00001", "00002"]


def test_how_many_of_the_split_are_missing_is_logged(
    make_gta5: Callable[..., Path], caplog: pytest.LogCaptureFixture, index: Callable[..., list]
) -> None:
    index(gta5.SOURCE.find, make_gta5([1, 2, 11, 22]), "train")
    assert "2 frames here, the official split has 12,403" in caplog.text


def test_split_mat_in_the_folder_counts(make_gta5: Callable[..., Path], index: Callable[..., list]) -> None:
    own = make_gta5([1, 2, 3])
    ids = {"trainIds": [[3]], "valIds": [[1]], "testIds": [[2]]}
    savemat(own / "split.mat", {key: np.array(value, np.uint16) for key, value in ids.items()})
    assert [s.name for s in index(gta5.SOURCE.find, own, "train")] == ["00003"]
    assert [s.name for s in index(gta5.SOURCE.find, own, "val+test")] == ["00001", "00002"]


def test_a_split_mat_that_is_none_is_named(make_gta5: Callable[..., Path], index: Callable[..., list]) -> None:
    own = make_gta5([1])
    (own / "split.mat").write_bytes(b"<html>not found</html>")
    with pytest.raises(DatasetError, match=r"split\.mat"):
        index(gta5.SOURCE.find, own, "train")


def test_a_frame_that_is_there_twice_is_refused(make_gta5: Callable[..., Path], index: Callable[..., list]) -> None:
    make_gta5([1], "images/a", "labels/a")
    own = make_gta5([1], "images/b", "labels/b")
    with pytest.raises(DatasetError, match="00001 is there twice"):
        index(gta5.SOURCE.find, own, "train")


def test_labels_are_palette_indices_not_colours(make_gta5: Callable[..., Path], index: Callable[..., list]) -> None:
    (sample,) = index(gta5.SOURCE.find, make_gta5([1]), "train")
    assert sample.target is not None
    assert set(np.unique(read_label_map(sample.target))) == {7, 11, 23, 26, 34}


def test_no_folder_says_where_to_get_it(tmp_path: Path, index: Callable[..., list]) -> None:
    with pytest.raises(DatasetError, match="from_games") as caught:
        index(gta5.SOURCE.find, tmp_path / "gta5", "train")
    assert str(tmp_path / "gta5" / "images") in str(caught.value)


def test_the_sample_datas_names_belong_to_the_official_splits() -> None:
    for split in ("train", "val"):
        ids = {int(gta5_name(split, index)) for index in range(600)}
        assert len(ids) == 600
        assert ids <= gta5.split_ids(split)
