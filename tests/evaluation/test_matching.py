from pathlib import Path

import pytest

from segibn.errors import DatasetError
from segibn.evaluation.matching import frame_name, match_label_maps


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("file", "frame"),
    [
        ("aachen_000000_000019_gtFine_labelIds.png", "aachen_000000_000019"),
        ("aachen_000000_000019_gtFine_labelTrainIds.png", "aachen_000000_000019"),
        ("aachen_000000_000019_leftImg8bit.png", "aachen_000000_000019"),
        ("aachen_000000_000019_leftImg8bit_pred.png", "aachen_000000_000019"),
        ("aachen_000000_000019_anything.png", "aachen_000000_000019"),
        ("aachen_000000_000019.png", "aachen_000000_000019"),
        ("0004a4c0-d4dff0ad_drivable_id.png", "0004a4c0-d4dff0ad"),
        ("0004a4c0-d4dff0ad_train_id.png", "0004a4c0-d4dff0ad"),
        ("0004a4c0-d4dff0ad.png", "0004a4c0-d4dff0ad"),
        ("0001TP_006690.png", "0001TP_006690"),
        ("00001.png", "00001"),
        ("_pred.png", "_pred"),
    ],
)
def test_official_suffixes_are_ignored(file: str, frame: str):
    assert frame_name(Path(file)) == frame


def test_other_files_of_the_official_folders_are_left_alone(tmp_path: Path):
    stem = "city/city_000001_000019_gtFine"
    target = touch(
        tmp_path / "gt",
        *(f"{stem}_{kind}.png" for kind in ("labelIds", "instanceIds", "color", "labelTrainIds")),
    )
    pred = touch(tmp_path / "pred", "city_000001_000019_pred.png")
    for encoding, suffix in (("label_ids", "labelIds"), ("train_ids", "labelTrainIds")):
        (pair,) = match_label_maps(target, pred, encoding)
        assert pair.target.name.endswith(f"_{suffix}.png")
        assert pair.name == "city_000001_000019"


def test_missing_predictions_are_listed(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png", "b.png", "c.png")
    pred = touch(tmp_path / "pred", "a.png")
    with pytest.raises(DatasetError, match=r"2 of 3 targets have no prediction in .*: b, c"):
        match_label_maps(target, pred)
    pairs = match_label_maps(target, pred, missing_allowed=True)
    assert [pair.pred is None for pair in pairs] == [False, True, True]


def test_predictions_without_target_are_left_alone(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png")
    pred = touch(tmp_path / "pred", "a.png", "b.png")
    assert [pair.name for pair in match_label_maps(target, pred)] == ["a"]


def test_folders_that_do_not_belong_together_are_named_with_an_example(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png")
    pred = touch(tmp_path / "pred", "b.png")
    with pytest.raises(DatasetError, match=r"named like 'a\.png', predictions like 'b\.png'"):
        match_label_maps(target, pred, missing_allowed=True)


def test_two_predictions_for_a_frame_are_an_error(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png")
    pred = touch(tmp_path / "pred", "one/a.png", "two/a_pred.png")
    with pytest.raises(DatasetError, match="belong to the same frame"):
        match_label_maps(target, pred)


def test_a_name_that_contradicts_the_encoding_is_an_error(tmp_path: Path):
    target = touch(tmp_path / "gt", "c_000001_000019_gtFine_labelIds.png")
    with pytest.raises(DatasetError, match="use --encoding label_ids"):
        match_label_maps(target, target, "train_ids")


def test_missing_and_empty_folders_are_named(tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match=r"no label maps .*empty"):
        match_label_maps(empty, empty)
    with pytest.raises(DatasetError, match="nowhere"):
        match_label_maps(tmp_path / "nowhere", empty)
