from pathlib import Path

import pytest

from segibn.errors import DatasetError
from segibn.evaluation.frame_pairs import cityscapes_name, frame_name
from segibn.evaluation.matching import FilePair, find_label_maps, match_label_maps


def match(target: Path, pred: Path, encoding: str = "auto", *, missing_allowed: bool = False) -> list[FilePair]:
    sides = find_label_maps(target, encoding), find_label_maps(pred, encoding)
    return match_label_maps(*sides, missing_allowed=missing_allowed)


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
        ("aachen_000000_000019_anything.png", "aachen_000000_000019_anything"),
        ("aachen_000000_000019_leftImg8bit_foggy_beta_0.02.png", "aachen_000000_000019"),
        ("005506_gtFine_labelcsTrainIds.png", "005506"),
        ("005506_gtFine_labellevel3Ids.png", "005506"),
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
        tmp_path / "gt", *(f"{stem}_{kind}.png" for kind in ("labelIds", "instanceIds", "color", "labelTrainIds"))
    )
    pred = touch(tmp_path / "pred", "city_000001_000019_pred.png")
    for encoding, suffix in (("label_ids", "labelIds"), ("train_ids", "labelTrainIds")):
        (pair,) = match(target, pred, encoding)
        assert pair.target.name.endswith(f"_{suffix}.png")
        assert pair.name == "city_000001_000019"


def test_missing_predictions_are_listed(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png", "b.png", "c.png")
    pred = touch(tmp_path / "pred", "a.png")
    with pytest.raises(DatasetError, match=r"2 of 3 targets have no prediction in .*: b, c"):
        match(target, pred)
    pairs = match(target, pred, missing_allowed=True)
    assert [pair.pred is None for pair in pairs] == [False, True, True]


def test_predictions_without_target_are_left_alone(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png")
    pred = touch(tmp_path / "pred", "a.png", "b.png")
    assert [pair.name for pair in match(target, pred)] == ["a"]


def test_folders_that_do_not_belong_together_are_named_with_an_example(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png")
    pred = touch(tmp_path / "pred", "b.png")
    with pytest.raises(DatasetError, match=r"named like 'a\.png', predictions like 'b\.png'"):
        match(target, pred, missing_allowed=True)


def test_two_predictions_for_a_frame_are_an_error(tmp_path: Path):
    target = touch(tmp_path / "gt", "a.png")
    pred = touch(tmp_path / "pred", "one/a.png", "two/a_pred.png")
    with pytest.raises(DatasetError, match="belong to the same frame"):
        match(target, pred)


def test_the_official_cityscapes_script_cuts_whatever_follows():
    assert cityscapes_name(Path("aachen_000000_000019_anything.png")) == "aachen_000000_000019"


TWO_DRIVES = ("0/000001", "1/000001")


@pytest.mark.parametrize(
    ("targets", "preds", "partners"),
    [
        # drives number their frames anew; the files have other suffixes
        (
            [f"{name}_gtFine_labelcsTrainIds" for name in TWO_DRIVES],
            [f"{name}_leftImg8bit" for name in TWO_DRIVES],
            [0, 1],
        ),
        # folders that all files of a side share do not count
        (
            [f"val/{name}" for name in TWO_DRIVES],
            [f"run/labels/{name}" for name in TWO_DRIVES],
            [0, 1],
        ),
        # names that are distinct need no folders
        (["frankfurt/a_gt", "lindau/b_gt"], ["b", "a"], [1, 0]),
        # two cameras of one moment
        (["d_000001_000002_left"], ["d_000001_000002_right"], "belongs to a target"),
        (["left/1"], ["right/1"], "contradict"),
        (["cam0/1"], ["cam1/1"], "contradict"),
        (["a/1", "b/2"], ["c/1", "d/2"], "contradict"),
        ([*TWO_DRIVES], ["000001"], "0/000001.png, 1/000001.png"),
        (["a"], ["one/a", "two/a_pred"], "one/a.png, two/a_pred.png"),
    ],
)  # fmt: skip
def test_frames_are_told_apart_by_what_is_needed_of_the_path(
    tmp_path: Path, targets: list[str], preds: list[str], partners: list[int] | str
):
    gt = touch(tmp_path / "gt", *(f"{name}.png" for name in targets))
    pred = touch(tmp_path / "pred", *(f"{name}.png" for name in preds))
    if isinstance(partners, str):
        with pytest.raises(DatasetError, match=partners):
            match(gt, pred)
        return
    found = {pair.target: pair.pred for pair in match(gt, pred)}
    for target, place in zip(targets, partners, strict=True):
        assert found[gt / f"{target}.png"] == pred / f"{preds[place]}.png"


def test_a_name_that_contradicts_the_encoding_is_an_error(tmp_path: Path):
    target = touch(tmp_path / "gt", "c_000001_000019_gtFine_labelIds.png")
    with pytest.raises(DatasetError, match="holds label_ids by its name, but train_ids are all"):
        match(target, target, "train_ids")


def test_missing_and_empty_folders_are_named(tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match=r"no label maps .*empty"):
        match(empty, empty)
    with pytest.raises(DatasetError, match="nowhere"):
        match(tmp_path / "nowhere", empty)
