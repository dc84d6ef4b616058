"""BDD100K-night: 87 frames out of train and val, by the shipped list."""

from pathlib import Path

import numpy as np
import pytest

from segibn.builders.sets import index_dataset
from segibn.config.data import DatasetConfig
from segibn.data.datasets.shipped_lists import read_names
from segibn.errors import DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.runs.check import splits_present

DAY = "0004a4c0-d4dff0ad"


def _write(root: Path, split: str, name: str) -> None:
    blank = np.zeros((4, 6, 3), np.uint8)
    write_image(root / f"bdd100k/images/10k/{split}/{name}.jpg", blank)
    target = root / f"bdd100k/labels/sem_seg/masks/{split}/{name}.png"
    write_label_png(target, blank[..., 0])


def test_the_shipped_list_has_87_ids_of_17_characters() -> None:
    names = read_names("bdd100k_night.txt")
    assert len(names) == 87
    assert {len(name) for name in names} == {17}


def test_night_frames_come_from_train_and_val(root: Path) -> None:
    first, second, *_ = sorted(read_names("bdd100k_night.txt"))
    _write(root, "train", first)
    _write(root, "train", DAY)
    _write(root, "val", second)
    found = index_dataset(DatasetConfig(name="bdd100k_semseg", split="night"), root)
    assert [(s.name, s.image.parent.name) for s in found] == [(first, "train"), (second, "val")]
    with pytest.raises(DatasetError, match="stands in two"):
        index_dataset(DatasetConfig(name="bdd100k_semseg", split="train+night"), root)


def test_a_day_frame_without_label_map_does_not_stop_the_night(root: Path) -> None:
    (night, *_) = sorted(read_names("bdd100k_night.txt"))
    _write(root, "train", night)
    _write(root, "val", DAY)
    (root / f"bdd100k/labels/sem_seg/masks/val/{DAY}.png").unlink()
    assert len(index_dataset(DatasetConfig(name="bdd100k_semseg", split="night"), root)) == 1


def test_train_alone_gives_its_part(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (night, *_) = sorted(read_names("bdd100k_night.txt"))
    _write(root, "train", night)
    assert len(index_dataset(DatasetConfig(name="bdd100k_semseg", split="night"), root)) == 1
    assert "1 frame here, the official split has 87" in caplog.text


def test_nothing_there_says_where_to_get_it(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"images/10k/train[\s\S]*bdd-data"):
        index_dataset(DatasetConfig(name="bdd100k_semseg", split="night"), root)


def test_a_check_of_the_whole_does_not_read_them_twice(root: Path) -> None:
    _write(root, "train", DAY)
    _write(root, "val", sorted(read_names("bdd100k_night.txt"))[0])
    assert splits_present("bdd100k_semseg", root) == ["train", "val"]


def test_an_unknown_split_lists_night_too(root: Path) -> None:
    with pytest.raises(DatasetError, match="train, val, test, night"):
        index_dataset(DatasetConfig(name="bdd100k_semseg", split="dusk"), root)
