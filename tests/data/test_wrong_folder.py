"""A data set one level up or down, renamed, or half unpacked: the message has the fix."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from segibn.builders.sets import find_dataset
from segibn.config.data import DatasetConfig
from segibn.data.datasets.catalog import DATASETS, dataset_source
from segibn.errors import DatasetError

SPLITS = {name: next(iter(dataset_source(name).splits)) for name in DATASETS}
SPLITS |= {"acdc": "train-fog", "synthia": "all"}


def _write(own: Path, name: str) -> None:
    """Write one frame of the set's first split, by the layout that its own message shows."""
    chosen = {"{split}": SPLITS[name].split("-")[0], "{0.005,0.01,0.02}": "0.005"}
    for line in dataset_source(name).layout.strip().splitlines():
        path = re.split(r"\s", line.partition("/")[2].strip())[0]
        for old, new in chosen.items():
            path = path.replace(old, new)
        path = re.sub(r"\{masks or colormaps\}", "masks", path)
        path = re.sub(r"\{([^,}]*)[^}]*\}", lambda found: found[1], path)
        path = re.sub(r"<(city|sequence|recording|drive)>", "a", path)
        path = re.sub(r"<[^>]*>", "a_000000_000019", path)
        if "split.mat" not in path and path:
            (own / path).parent.mkdir(parents=True, exist_ok=True)
            (own / path).touch()


def _find(name: str, root: Path) -> int:
    label_map = "rein" if name == "mapillary" else None
    dataset = DatasetConfig(name=name, split=SPLITS[name], label_map=label_map, encoding="auto")
    return len(find_dataset(dataset, root).samples)


def _message(name: str, root: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        _find(name, root)
    return str(caught.value)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def make(name: str, below: str) -> Path:
        own = tmp_path / "data" / below
        _write(own, name)
        return own

    return make


@pytest.mark.parametrize("name", SPLITS)
def test_every_set_says_which_root_it_is_below(name: str, write: Callable[[str, str], Path], tmp_path: Path) -> None:
    own = write(name, dataset_source(name).folder)
    if "drivable" in name:
        (own / "labels").rename(own / "unused")  # the other release's, which the layout shows too
    data = tmp_path / "data"
    assert _find(name, data) == 1
    for given in (own, next(path for path in own.iterdir() if path.is_dir()), tmp_path):
        assert f"use --datasets {data}" in _message(name, given).splitlines()[1]


def test_a_set_of_another_name_or_one_too_deep_is_found(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    own = write("cityscapes", "Cityscapes (1)")
    data = tmp_path / "data"
    assert f"{own} holds it: rename it to {data / 'cityscapes'}" in _message("cityscapes", data)
    deep = write("kitti", "kitti/data_semantics")
    assert f"{deep} holds it: rename it to {data / 'kitti'}" in _message("kitti", data)


def test_one_archive_of_two_is_named(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    own = write("cityscapes", "cityscapes")
    (own / "leftImg8bit").rename(tmp_path / "gone")
    found = _message("cityscapes", tmp_path / "data")
    assert f"no folder {own / 'leftImg8bit/train'} ({own / 'gtFine/train'} is there" in found


def test_archives_unpacked_into_folders_of_their_names_are_found(
    write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    own = write("cityscapes", "cityscapes")
    for part in ("leftImg8bit", "gtFine"):
        (own / f"{part}_trainvaltest").mkdir()
        (own / part).rename(own / f"{part}_trainvaltest" / part)
    found = _message("cityscapes", tmp_path / "data")
    assert f"move what is in {own / 'leftImg8bit_trainvaltest'} to {own}" in found


@pytest.mark.parametrize("folder", ["idd", "idd20k_lite", "idd_lite"])
def test_idd_lite_is_pointed_to_its_own_reader(tmp_path: Path, folder: str) -> None:
    for path in ("leftImg8bit/train/0/1_image.jpg", "gtFine/train/0/1_label.png"):
        (tmp_path / folder / path).parent.mkdir(parents=True)
        (tmp_path / folder / path).touch()
    said = _message("idd", tmp_path)
    assert f"segibn check idd_lite --datasets {tmp_path}" in said
    assert ("rename" in said) == (folder != "idd_lite")
